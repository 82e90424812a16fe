//! Why the window could not be shown.

use mycoin_light::LightError;
use mycoin_primitives::Failure;

/// Why the window could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No screen: neither `WAYLAND_DISPLAY` nor `DISPLAY` is set.
    #[error("there is no display to show a window on")]
    NoDisplay,
    /// The proxy's address makes no sense.
    #[error(transparent)]
    Proxy(#[from] LightError),
    /// The operating system refused to make a window.
    #[error("the window could not be shown: {reason}")]
    Window {
        /// What the toolkit says.
        reason: String,
    },
    /// The background worker could not be started.
    #[error("the background worker could not be started")]
    Worker(#[source] std::io::Error),
}

impl Failure for AppError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoDisplay => "app/no-display",
            Self::Proxy(source) => source.code(),
            Self::Window { .. } => "app/no-window",
            Self::Worker(_) => "app/no-worker",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::NoDisplay => "Start it in a desktop session, or use mycoin wallet: it can do the same.",
            Self::Proxy(source) => source.next_step(),
            Self::Window { .. } => "Check the desktop session, or use mycoin wallet: it can do the same.",
            Self::Worker(_) => "Close other programs and try again.",
        }
    }
}
