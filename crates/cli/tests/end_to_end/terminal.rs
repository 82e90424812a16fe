//! A person at a terminal: a program that runs in one, what it shows, and what is typed.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use mycoin_testkit::process::wait_until;

use crate::home::{Home, PATIENCE, binary};

/// The program under test, with a terminal of its own (util-linux `script` gives it one).
pub(crate) struct Terminal {
    script: Child,
    keyboard: ChildStdin,
    seen: Arc<Mutex<String>>,
}

impl Terminal {
    /// Runs a command in the folder of `home`.
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let dir = home.dir().display().to_string();
        let program = binary().display().to_string();
        let all = [&[program.as_str()], arguments, &["--dir", &dir]].concat();
        let command = format!("exec {}", all.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(" "));
        let mut script = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("util-linux is installed");
        let keyboard = script.stdin.take().expect("it is piped");
        let mut screen = script.stdout.take().expect("it is piped");
        let seen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                shown.lock().expect("no reader panics").push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
        });
        Self { script, keyboard, seen }
    }

    /// All that was shown so far.
    pub(crate) fn screen(&self) -> String {
        self.seen.lock().expect("no reader panics").clone()
    }

    /// Waits for a question, and for nothing else to be shown before it is answered.
    pub(crate) fn wait_for(&self, text: &str) {
        wait_until(&format!("the terminal shows “{text}”"), PATIENCE, || {
            self.screen().contains(text).then_some(())
        });
    }

    /// Waits for a question that was not answered before, and types a line.
    pub(crate) fn answer(&mut self, question: &str, line: &str) {
        self.wait_for(question);
        // Whoever asks for a secret turns the echo off first; a person is never so fast.
        std::thread::sleep(std::time::Duration::from_millis(200));
        let mut seen = self.seen.lock().expect("no reader panics");
        let answered = seen.replacen(question, "", 1);
        *seen = answered;
        drop(seen);
        writeln!(self.keyboard, "{line}").expect("the terminal listens");
    }

    /// The id of the program in the terminal.
    pub(crate) fn pid(&self) -> u32 {
        let parent = self.script.id().to_string();
        let child_of = |entry: std::fs::DirEntry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // Its name stands in brackets; then come its state and its parent.
            let above = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            (above == parent).then_some(pid)
        };
        wait_until("the program runs", PATIENCE, || {
            std::fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(child_of)
        })
    }

    /// Waits for the end; the exit code, and all that was shown since the last answer.
    pub(crate) fn end(mut self) -> (i32, String) {
        let code = wait_until("the program ends", PATIENCE, || self.script.try_wait().ok().flatten());
        std::thread::sleep(std::time::Duration::from_millis(100));
        (code.code().unwrap_or(-1), self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ended_already = self.script.kill();
        let _it_leaves_nothing_behind = self.script.wait();
    }
}
