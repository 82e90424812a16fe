//! A user's folder, and the commands that are run in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mycoin_testkit::process::{Finished, Program, run, wait_until};
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for a busy machine and an unoptimised build; nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The password of every wallet and key in these tests.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A fresh machine as far as the program can tell: an empty folder.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        mycoin_files::create_new(&folder.path().join("pw"), PASSWORD.as_bytes(), mycoin_files::Readers::Owner)
            .expect("the folder is new");
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that the program works in.
    pub(crate) fn dir(&self) -> PathBuf {
        self.path().join("mycoin")
    }

    pub(crate) fn password_file(&self) -> String {
        self.path().join("pw").display().to_string()
    }

    fn with_dir<'a>(arguments: &[&'a str], dir: &'a str) -> Vec<&'a str> {
        let mut all = arguments.to_vec();
        all.extend(["--dir", dir]);
        all
    }

    /// Starts a program of ours in the folder.
    pub(crate) fn start(&self, arguments: &[&str]) -> Program {
        let dir = self.dir().display().to_string();
        Program::start(&binary(), &Self::with_dir(arguments, &dir))
    }

    /// Runs a command in the folder to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        let dir = self.dir().display().to_string();
        run(&binary(), &Self::with_dir(arguments, &dir), "")
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let finished = self.run(&all);
        assert_eq!(finished.code, 0, "{arguments:?}: {}{}", finished.stdout, finished.stderr);
        finished.json()
    }

    /// Runs a command that must fail, and gives its error's code and sentence.
    pub(crate) fn refused(&self, arguments: &[&str]) -> (String, String) {
        let mut all = arguments.to_vec();
        all.push("--json");
        let finished = self.run(&all);
        assert!(finished.code == 1 || finished.code == 2, "{arguments:?}: {}{}", finished.stdout, finished.stderr);
        let error = &finished.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        assert!(!text("message").is_empty(), "{arguments:?}: {}", finished.stdout);
        (text("code"), text("message"))
    }

    /// Calls a method with the administrator's certificate.
    pub(crate) fn rpc(&self, arguments: &[&str]) -> Value {
        self.json(&[&["rpc"], arguments].concat())
    }

    /// Calls a method of a server that runs at `address`, with the password of these tests.
    pub(crate) fn rpc_at(&self, address: &str, arguments: &[&str]) -> Value {
        let password = self.password_file();
        self.rpc(&[&["--server", address, "--password-file", &password], arguments].concat())
    }

    /// The base units of an amount that `wallet balance` tells.
    pub(crate) fn balance(&self, wallet: &str, part: &str) -> u64 {
        units(&self.json(&["wallet", "balance", wallet])[part])
    }

    /// Waits until a part of a wallet's balance is `expected` base units.
    pub(crate) fn wait_for_balance(&self, wallet: &str, part: &str, expected: u64) {
        let mut seen = 0;
        wait_until(&format!("{part} of {wallet} is {expected}"), PATIENCE, || {
            seen = self.balance(wallet, part);
            (seen == expected).then_some(())
        });
    }

    pub(crate) fn height(&self) -> u64 {
        self.rpc(&["getblockcount"]).as_u64().expect("a height")
    }
}

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_mycoin"))
}

/// The base units of an amount in coins, exactly.
pub(crate) fn units(amount: &Value) -> u64 {
    let text = amount.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{decimals:0<8}").parse().unwrap_or_else(|_| panic!("{text} is no amount"))
}

/// The address that follows `word` in a ready line.
pub(crate) fn address_after(line: &str, word: &str) -> String {
    let rest = line.split_once(word).unwrap_or_else(|| panic!("no {word} in: {line}")).1;
    rest.trim_start().trim_start_matches("http://").split([',', ' ']).next().unwrap_or_default().to_owned()
}
