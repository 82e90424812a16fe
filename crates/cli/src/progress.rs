//! Catching up, shown while a server runs: a bar on a terminal, lines in the log elsewhere.
//!
//! The bar is the last line of standard error, where the log goes too; [`Log`] takes it away for each line of that.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mycoin_server::{Server, SyncProgress};

/// How often the bar is drawn.
const REDRAW: Duration = Duration::from_millis(500);
/// How often the log tells.
const TELL: Duration = Duration::from_secs(10);
/// The characters of a full bar.
const WIDTH: usize = 24;

/// What stands in the last line now; there is one standard error.
static BAR: Mutex<String> = Mutex::new(String::new());

fn bar() -> MutexGuard<'static, String> {
    BAR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts `text` where the bar is.
fn draw(text: String) {
    let mut bar = bar();
    if *bar != text {
        let _closed_terminal_is_no_failure = write!(io::stderr().lock(), "\r\x1b[2K{text}");
        *bar = text;
    }
}

/// Takes the bar away when it goes.
struct Shown;

impl Drop for Shown {
    fn drop(&mut self) {
        draw(String::new());
    }
}

/// Where the log is written to: above the bar, if there is one.
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bar = bar();
        let mut out = io::stderr().lock();
        if bar.is_empty() {
            return out.write(bytes);
        }
        out.write_all(b"\r\x1b[2K")?;
        out.write_all(bytes)?;
        if bytes.ends_with(b"\n") {
            out.write_all(bar.as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn as_bar(progress: &SyncProgress) -> String {
    // At most the width: the fraction is at most 1.
    let full = (progress.fraction() * WIDTH as f64) as usize;
    format!("[{}{}] {progress}", "#".repeat(full), " ".repeat(WIDTH.saturating_sub(full)))
}

/// Shows how `server` catches up, for as long as it is polled.
pub(crate) async fn show(server: &Server, json: bool) -> Infallible {
    let has_bar = !json && io::stderr().is_terminal();
    let _shown = Shown;
    let (mut told, mut was_syncing) = (None::<Instant>, false);
    loop {
        let progress = server.progress();
        if progress.is_syncing && has_bar {
            draw(as_bar(&progress));
        } else if progress.is_syncing && told.is_none_or(|told| told.elapsed() >= TELL) {
            told = Some(Instant::now());
            tracing::info!("Catching up: {progress}");
        } else if was_syncing && !progress.is_syncing {
            draw(String::new());
            tracing::info!("Caught up at block {}.", progress.blocks);
        }
        was_syncing = progress.is_syncing;
        tokio::time::sleep(REDRAW).await;
    }
}

/// How long something may take before a person is told how far it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line on a terminal about something that a command waits for. Quick work shows nothing.
pub(crate) struct Line {
    latest: Mutex<String>,
}

impl Line {
    /// What is said as long as nothing better is known.
    pub(crate) fn new(first: &str) -> Self {
        Self { latest: Mutex::new(first.to_owned()) }
    }

    /// Takes note of how far it is.
    pub(crate) fn tell(&self, text: String) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Waits for `work`, and shows from the second second on how far it is.
    pub(crate) async fn watch<T>(&self, work: impl Future<Output = T>) -> T {
        if !io::stderr().is_terminal() {
            return work.await;
        }
        let (_shown, mut work) = (Shown, std::pin::pin!(work));
        let mut wait = PATIENCE;
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(wait) => {
                    wait = REDRAW;
                    draw(format!("{} …", self.latest.lock().unwrap_or_else(PoisonError::into_inner)));
                }
            }
        }
    }
}
