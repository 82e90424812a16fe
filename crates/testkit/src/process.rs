//! Real processes for end-to-end tests: start, wait for a line, signal, restart.
//!
//! In:    a binary, its arguments, what to wait for.
//! Out:   what it printed, how it ended.
//! Never: a process left behind: a [`Program`] that is dropped is killed, by the id that started it.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A program that runs beside the test.
#[derive(Debug)]
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts `binary` and gathers what it prints on both outputs.
    ///
    /// # Panics
    ///
    /// When the binary cannot be started: then no test of it can pass.
    #[must_use]
    pub fn start(binary: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(binary)
            .args(arguments)
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary under test starts");
        let (sender, lines) = channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("standard output is piped")),
            Box::new(child.stderr.take().expect("standard error is piped")),
        ];
        for output in outputs {
            let (sender, seen) = (sender.clone(), Arc::clone(&seen));
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    seen.lock().expect("no reader panics").push(line.clone());
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Self { child, lines, seen }
    }

    /// Waits for a line for which `wanted` is true.
    ///
    /// # Panics
    ///
    /// When none came within `limit`; says what was printed instead.
    pub fn wait_for_line(&self, limit: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if wanted(&line) => return line,
                Ok(_) => {}
                Err(_) => panic!("the awaited line did not come within {limit:?}; printed:\n{}", self.output()),
            }
        }
    }

    /// Waits for the line that begins with `ready`.
    ///
    /// # Panics
    ///
    /// When it did not come within `limit`.
    pub fn wait_until_ready(&self, limit: Duration) -> String {
        self.wait_for_line(limit, |line| line.starts_with("ready"))
    }

    /// All that was printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.seen.lock().expect("no reader panics").join("\n")
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends what Ctrl-C sends and waits for the end.
    ///
    /// # Panics
    ///
    /// When it does not end within `limit`.
    pub fn interrupt(&mut self, limit: Duration) -> ExitStatus {
        self.signal(Signal::INT);
        self.wait(limit)
    }

    /// Kills it without a warning (signal 9) and waits for the end.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ended = self.child.wait();
    }

    /// Lets it stand still, as a machine that sleeps: its sockets stay open, and nobody reads them.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits for the end.
    ///
    /// # Panics
    ///
    /// When it does not end within `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            assert!(Instant::now() < end, "still running after {limit:?}; printed:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _already_gone = kill_process(pid, signal);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
    }
}

/// What a command that ran to its end printed, and its exit code.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output as JSON.
    ///
    /// # Panics
    ///
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: stdout “{}” stderr “{}”", self.stdout, self.stderr))
    }
}

/// Runs a command to its end with `input` on standard input.
///
/// # Panics
///
/// When it cannot be started.
#[must_use]
pub fn run(binary: &Path, arguments: &[&str], input: &str) -> Finished {
    let mut child = Command::new(binary)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test starts");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let _closed_early_is_the_commands_right = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("a started command ends");
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Asks `check` until it answers or `limit` has passed.
///
/// # Panics
///
/// When it never answered; `what` says what was awaited.
pub fn wait_until<T>(what: &str, limit: Duration, mut check: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
