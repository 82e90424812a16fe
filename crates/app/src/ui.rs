//! What the toolkit's compiler makes of `ui/`.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::todo)]

slint::include_modules!();
