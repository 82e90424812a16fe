//! The window as a whole: made, shown, closed.

use std::path::PathBuf;
use std::rc::Rc;

use mycoin_primitives::Network;
use slint::ComponentHandle;

use crate::backend::Backend;
use crate::controller::Controller;
use crate::error::AppError;
use crate::ui::{MainWindow, Shell};

/// What the window shows.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// The coin.
    pub network: Network,
    /// The folder of its wallets: `<dir>/<network>/wallets`.
    pub wallets_dir: PathBuf,
    /// The proxy's address, such as `http://127.0.0.1:7600`.
    pub proxy_url: String,
    /// The wallet to open at the start; without it the window asks.
    pub open_wallet: Option<String>,
}

/// The window with everything behind it. Dropping it closes the wallet and ends the background work.
pub struct App {
    window: MainWindow,
    controller: Rc<Controller>,
}

impl App {
    /// Makes the window without showing it, and starts the background work.
    ///
    /// # Errors
    ///
    /// [`AppError::Window`] where no window can be made, [`AppError::Proxy`] for an address that makes no sense.
    pub fn new(options: AppOptions) -> Result<Self, AppError> {
        let window = MainWindow::new().map_err(|error| AppError::Window { reason: error.to_string() })?;
        let bell = {
            let window = window.as_weak();
            // Fails only where no event loop runs: in tests, which call `pump`, and while the program ends.
            move || drop(window.upgrade_in_event_loop(|window| window.global::<Shell>().invoke_news()))
        };
        let (backend, news) = Backend::start(options.network.clone(), options.wallets_dir, &options.proxy_url, bell)?;
        let controller = Controller::connect(&window, options.network, backend, news, options.open_wallet.as_deref());
        Ok(Self { window, controller })
    }

    /// The toolkit's handle of the window: its size, its pictures, events for it.
    pub fn window(&self) -> &slint::Window {
        self.window.window()
    }

    /// The window's component, for tests that look into it.
    #[doc(hidden)]
    pub fn component(&self) -> &MainWindow {
        &self.window
    }

    /// Shows the news that wait. The event loop does this by itself; a program without one calls it in its own loop.
    pub fn pump(&self) {
        self.controller.take_news(&self.window);
    }

    /// Shows the window and returns when it is closed.
    ///
    /// # Errors
    ///
    /// [`AppError::Window`] when the event loop fails.
    pub fn run(self) -> Result<(), AppError> {
        self.window.run().map_err(|error| AppError::Window { reason: error.to_string() })
    }
}

/// Shows the window and returns when it is closed. Must be called on the main thread.
///
/// # Errors
///
/// [`AppError::NoDisplay`] where there is no screen to show it on; [`AppError`] says why else it could not be shown.
pub fn run(options: AppOptions) -> Result<(), AppError> {
    if !has_display() {
        return Err(AppError::NoDisplay);
    }
    App::new(options)?.run()
}

/// Whether there is a screen: always on macOS and Windows, elsewhere where a display server is named.
pub fn has_display() -> bool {
    let named = |variable: &str| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    cfg!(any(target_os = "macos", target_os = "windows")) || named("WAYLAND_DISPLAY") || named("DISPLAY")
}
