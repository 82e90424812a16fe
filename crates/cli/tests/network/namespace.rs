//! Network namespaces: machines of their own as far as the network can tell.
//!
//! None has a name, and each lives by a process that ends when its standard input closes. So none outlives the test, however
//! it ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mycoin_testkit::process::run;

/// How long a namespace may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// A network namespace of this test.
pub(crate) struct Namespace {
    holder: Child,
}

impl Namespace {
    /// # Errors
    ///
    /// Why this machine, or this user, has none.
    fn new() -> Result<Self, String> {
        let ours = std::fs::read_link("/proc/self/ns/net").map_err(|error| error.to_string())?;
        let mut command = Command::new("unshare");
        command.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut namespace = Self { holder: command.spawn().map_err(|error| format!("unshare: {error}"))? };
        let link = format!("/proc/{}/ns/net", namespace.process());
        let end = Instant::now() + PATIENCE;
        while std::fs::read_link(&link).map_or(true, |theirs| theirs == ours) {
            if let Ok(Some(status)) = namespace.holder.try_wait() {
                return Err(format!("unshare ended with {status}"));
            }
            if Instant::now() > end {
                return Err("unshare made none in time".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(namespace)
    }

    /// A process that lives in it.
    pub(crate) fn process(&self) -> u32 {
        self.holder.id()
    }

    /// Runs a command in it.
    fn run(&self, arguments: &str, input: &str) -> Result<(), String> {
        let process = self.process().to_string();
        let mut all = vec!["--target", &process, "--net", "--"];
        all.extend(arguments.split(' '));
        let finished = run(Path::new("nsenter"), &all, input);
        if finished.code == 0 { Ok(()) } else { Err(format!("{arguments}: {}", finished.stderr.trim())) }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _already_gone = (self.holder.kill(), self.holder.wait());
    }
}

/// Two namespaces, and a third between them that passes packets on as a router does.
pub(crate) struct Internet {
    pub(crate) left: Namespace,
    pub(crate) right: Namespace,
    router: Namespace,
}

impl Internet {
    pub(crate) const LEFT: &str = "10.7.1.2";
    pub(crate) const RIGHT: &str = "10.7.2.2";

    /// # Errors
    ///
    /// Why this machine, or this user, can have none.
    pub(crate) fn new() -> Result<Self, String> {
        let all = Self { left: Namespace::new()?, right: Namespace::new()?, router: Namespace::new()? };
        for (side, name, number) in [(&all.left, "left", 1), (&all.right, "right", 2)] {
            let process = side.process();
            all.router.run(&format!("ip link add {name} type veth peer name wire netns {process}"), "")?;
            all.router.run(&format!("ip addr add 10.7.{number}.1/24 dev {name}"), "")?;
            all.router.run(&format!("ip link set {name} up"), "")?;
            side.run("ip link set lo up", "")?;
            side.run(&format!("ip addr add 10.7.{number}.2/24 dev wire"), "")?;
            side.run("ip link set wire up", "")?;
            side.run(&format!("ip route add default via 10.7.{number}.1"), "")?;
        }
        all.forward(true)?;
        Ok(all)
    }

    /// Whether packets pass. Those that do not are lost without a word to either side.
    pub(crate) fn forward(&self, passes: bool) -> Result<(), String> {
        self.router.run("tee /proc/sys/net/ipv4/ip_forward", if passes { "1" } else { "0" })
    }
}
