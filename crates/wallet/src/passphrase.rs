//! The passphrase that may stand beside recovery words (BIP39).

use zeroize::Zeroizing;

use crate::memory;

/// An extra secret beside recovery words, which together with them makes the keys.
///
/// It is no password: nothing can tell a right one from a wrong one, each opens a wallet of its own, and whoever loses it
/// loses the coins. Wiped from memory when dropped; deliberately without `Debug`.
#[derive(Clone, Default)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// No passphrase, which is the same as an empty one.
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes a passphrase exactly as typed: spaces and capitals count.
    pub fn new(text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        memory::keep_from_swap(text.as_bytes());
        Self(text)
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
