//! Waiting to be asked to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when somebody asks the program to stop: Ctrl-C, or the signal that services send.
pub(crate) async fn asked() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without the second signal Ctrl-C alone stops us.
        let _asked = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
