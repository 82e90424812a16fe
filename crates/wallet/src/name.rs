//! Wallet names: what becomes a file's name, and nothing that could become a path.

use std::fmt;

use mycoin_primitives::Failure;

/// A wallet's name: 1 to 64 of `a-z A-Z 0-9 - _ .`, not beginning with a point, and no name that a system reserves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalletName(String);

/// Why a wallet's name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was typed.
    #[error("the wallet's name is missing. Give it a name such as savings.")]
    Empty,
    /// Longer than 64 characters.
    #[error("the wallet's name has {length} characters, and at most {limit} are allowed. Choose a shorter one.")]
    TooLong {
        /// How many it has.
        length: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A character that may not stand in a name.
    #[error(
        "“{character}” cannot stand in a wallet's name. Use letters (a to z), digits, and the signs - _ and point."
    )]
    BadCharacter {
        /// The first such character, escaped where it cannot be seen.
        character: String,
    },
    /// It would be a hidden file or a path's part.
    #[error("a wallet's name cannot begin with a point. Begin it with a letter or a digit.")]
    LeadingPoint,
    /// Some system gives it a meaning of its own.
    #[error("“{name}” is a name that some systems reserve. Choose another one.")]
    Reserved {
        /// The name.
        name: String,
    },
}

impl WalletName {
    /// The most characters a name may have.
    pub const MAX_LENGTH: usize = 64;

    /// Reads a name that a person typed.
    ///
    /// # Errors
    ///
    /// [`NameError`] says what to change.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let length = text.chars().count();
        if length > Self::MAX_LENGTH {
            return Err(NameError::TooLong { length, limit: Self::MAX_LENGTH });
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if let Some(character) = text.chars().find(|c| !allowed(c)) {
            return Err(NameError::BadCharacter { character: character.escape_debug().collect() });
        }
        if text.starts_with('.') {
            return Err(NameError::LeadingPoint);
        }
        if is_reserved(text) {
            return Err(NameError::Reserved { name: text.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WalletName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Device names of Windows, with or without an ending: a folder that holds one cannot be copied there.
fn is_reserved(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt") || text.ends_with('.')
}

impl Failure for NameError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "wallet-name/missing",
            Self::TooLong { .. } => "wallet-name/too-long",
            Self::BadCharacter { .. } => "wallet-name/bad-character",
            Self::LeadingPoint => "wallet-name/leading-point",
            Self::Reserved { .. } => "wallet-name/reserved",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken() {
        for good in ["a", "alice", "Alice-2_b.c", "0", &"x".repeat(64), "console", "com10", "nulls"] {
            assert_eq!(WalletName::parse(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn names_that_are_refused() {
        assert_eq!(WalletName::parse(""), Err(NameError::Empty));
        assert_eq!(WalletName::parse(&"x".repeat(300)), Err(NameError::TooLong { length: 300, limit: 64 }));
        for bad in ["../x", "/x", "a/b", "a\\b", "a\0b", "a b", "ä", "a\n", "~", "a:b"] {
            assert!(
                matches!(WalletName::parse(bad), Err(NameError::BadCharacter { .. } | NameError::LeadingPoint)),
                "{bad:?}"
            );
        }
        for bad in [".", "..", ".hidden"] {
            assert_eq!(WalletName::parse(bad), Err(NameError::LeadingPoint));
        }
        for bad in ["con", "NUL", "aux.txt", "Com1", "lpt9.wallet", "a."] {
            assert!(matches!(WalletName::parse(bad), Err(NameError::Reserved { .. })), "{bad}");
        }
    }
}
