//! The desktop window over wallet.
//!
//! In:    a network, the folder of its wallets, a proxy's URL, and what a person clicks and types.
//! Out:   what the wallet library does with it, in words and pictures.
//! Never: keys or rules of its own; waiting for the network or for password hashing on the window's thread.
//!
//! ```text
//! ui/*.slint ── ui          what it looks like; globals in ui/state.slint are the only door
//!               │
//!           controller      clicks → commands, news → what is shown     (the window's thread)
//!               │  ▲
//!      commands ▼  │ news
//!            backend ── follow   wallet and proxy                       (threads of their own)
//! ```
//!
//! Start at [`run`], then [`App`].

mod app;
mod backend;
mod controller;
mod error;
mod follow;
mod present;
mod qr;
mod ui;

pub use app::{App, AppOptions, has_display, run};
pub use error::AppError;

/// The window's generated types, for tests that look into it and click through it.
#[doc(hidden)]
pub mod testing {
    pub use crate::ui::{
        Account, Create, CreateStep, MainWindow, Miner, Open, Receive, Screen, Send, SendStep, Shell, Theme, Tone,
    };
}
