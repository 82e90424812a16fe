//! Recovery words (BIP39) and the keys that grow from them (BIP32, BIP86).

use mycoin_primitives::Failure;

use crate::error::WalletError;

/// Recovery words: everything that is needed to spend. Wiped from memory when dropped; deliberately without `Debug`.
pub struct RecoveryWords {
    mnemonic: bdk_wallet::bip39::Mnemonic,
}

/// Why recovery words were refused. The words themselves never stand in an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Not 12, 15, 18, 21 or 24 words.
    #[error(
        "{given} words were given. Recovery words are 12 or 24 (sometimes 15, 18 or 21); check that none is missing."
    )]
    WrongCount {
        /// How many there were.
        given: usize,
    },
    /// A word that is not in the list.
    #[error("word {position} is not one of the 2,048 recovery words. Check its spelling.")]
    UnknownWord {
        /// Its place, counted from 1.
        position: usize,
    },
    /// Every word is known, but together they fail the checksum.
    #[error("the words do not belong together: one of them is wrong, or two are swapped. Compare them with your note.")]
    BadChecksum,
}

impl RecoveryWords {
    /// Twelve new words, from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`WalletError::NoRandomness`] when the operating system has none to give.
    pub fn generate() -> Result<Self, WalletError> {
        todo!()
    }

    /// Reads words that a person typed: separated by any white space, in any case.
    ///
    /// # Errors
    ///
    /// [`WordsError`] names the word's place, never the word.
    pub fn parse(text: &str) -> Result<Self, WordsError> {
        let _ = text;
        todo!()
    }

    /// The words, in order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.mnemonic.words()
    }
}

impl Failure for WordsError {
    fn code(&self) -> &'static str {
        match self {
            Self::WrongCount { .. } => "words/wrong-count",
            Self::UnknownWord { .. } => "words/unknown-word",
            Self::BadChecksum => "words/bad-checksum",
        }
    }
}
