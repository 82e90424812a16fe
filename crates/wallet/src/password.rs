//! The password that protects a wallet file.

use mycoin_primitives::Failure;
use zeroize::Zeroizing;

use crate::memory;

/// A wallet's password, exactly as typed. Wiped from memory when dropped; deliberately without `Debug`.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Why a password was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing was typed.
    #[error("the password is missing. Type at least one character.")]
    Empty,
}

impl Password {
    /// Takes a password that a person typed.
    ///
    /// # Errors
    ///
    /// [`PasswordError::Empty`]. How strong it should be is for the caller to advise on.
    pub fn new(text: impl Into<String>) -> Result<Self, PasswordError> {
        let text = Zeroizing::new(text.into());
        if text.is_empty() {
            return Err(PasswordError::Empty);
        }
        memory::keep_from_swap(text.as_bytes());
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl Failure for PasswordError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "password/missing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_password_but_the_empty_one_is_taken_as_it_is() {
        assert!(matches!(Password::new(""), Err(PasswordError::Empty)));
        for text in [" ", "a\0b", "🙂", &"x".repeat(1024)] {
            assert_eq!(Password::new(text).expect("not empty").as_bytes(), text.as_bytes());
        }
    }
}
