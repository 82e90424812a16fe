//! What the window's tests share.

pub(crate) mod desk;
pub(crate) mod fake_proxy;

pub(crate) use desk::Desk;
