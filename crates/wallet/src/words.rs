//! Recovery words (BIP39): the entropy that every key of a words wallet grows from.

use bip39::{Language, Mnemonic};
use mycoin_primitives::Failure;
use zeroize::Zeroizing;

use crate::error::WalletError;
use crate::passphrase::Passphrase;
use crate::vault;

/// Recovery words: everything that is needed to spend. Wiped from memory when dropped; deliberately without `Debug`.
pub struct RecoveryWords {
    entropy: Zeroizing<Vec<u8>>,
    words: Vec<&'static str>,
}

/// How many words to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WordCount {
    /// 12 words: 128 bits, as hard to guess as a key.
    #[default]
    Twelve,
    /// 24 words: 256 bits, for those whose rules ask for them.
    TwentyFour,
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
    /// They are words of one of BIP39's other lists.
    #[error("these are {language} recovery words, and this wallet takes English ones. Open them where they were made.")]
    OtherLanguage {
        /// The list's language.
        language: &'static str,
    },
}

impl RecoveryWords {
    /// Twelve new words, from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`WalletError::NoRandomness`] when the operating system has none to give.
    pub fn generate() -> Result<Self, WalletError> {
        Self::generate_of(WordCount::Twelve)
    }

    /// New words, from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`WalletError::NoRandomness`] when the operating system has none to give.
    pub fn generate_of(count: WordCount) -> Result<Self, WalletError> {
        let entropy = vault::random::<32>()?;
        let (short, _) = entropy.split_at(16);
        let entropy = match count {
            WordCount::Twelve => short,
            WordCount::TwentyFour => entropy.as_slice(),
        };
        Self::from_entropy(entropy).ok_or(WalletError::Crypto { what: "making recovery words" })
    }

    /// Reads words that a person typed: separated by any white space, in any case.
    ///
    /// # Errors
    ///
    /// [`WordsError`] names the word's place, never the word.
    pub fn parse(text: &str) -> Result<Self, WordsError> {
        let lower = Zeroizing::new(text.to_lowercase());
        match Mnemonic::parse_in_normalized(Language::English, &lower) {
            Ok(mnemonic) => Ok(Self::from_mnemonic(&mnemonic)),
            Err(bip39::Error::BadWordCount(given)) => Err(WordsError::WrongCount { given }),
            Err(bip39::Error::UnknownWord(index)) => Err(match other_language(&lower) {
                Some(language) => WordsError::OtherLanguage { language },
                None => WordsError::UnknownWord { position: index + 1 },
            }),
            // The other two concern entropy of a wrong length and several languages, which cannot be met here.
            Err(
                bip39::Error::InvalidChecksum
                | bip39::Error::BadEntropyBitCount(_)
                | bip39::Error::AmbiguousLanguages(_),
            ) => Err(WordsError::BadChecksum),
        }
    }

    /// The words of that entropy; `None` when it has no length that words have.
    pub(crate) fn from_entropy(entropy: &[u8]) -> Option<Self> {
        Mnemonic::from_entropy_in(Language::English, entropy).ok().map(|mnemonic| Self::from_mnemonic(&mnemonic))
    }

    fn from_mnemonic(mnemonic: &Mnemonic) -> Self {
        Self { entropy: Zeroizing::new(mnemonic.to_entropy()), words: mnemonic.words().collect() }
    }

    /// The words, in order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.words.iter().copied()
    }

    pub(crate) fn entropy(&self) -> &[u8] {
        &self.entropy
    }

    /// BIP39's seed of the words and the passphrase, which is brought to Unicode's form NFKD first.
    pub(crate) fn seed(&self, passphrase: &Passphrase) -> Option<Zeroizing<[u8; 64]>> {
        let mnemonic = Mnemonic::from_entropy_in(Language::English, &self.entropy).ok()?;
        Some(Zeroizing::new(mnemonic.to_seed(passphrase.as_str())))
    }
}

/// The language of words that are in none but another list; where several fit, the one whose checksum fits too.
fn other_language(text: &str) -> Option<&'static str> {
    let others = || Language::ALL.iter().filter(|language| **language != Language::English);
    let known = |language: &&Language| {
        matches!(Mnemonic::parse_in(**language, text), Ok(_) | Err(bip39::Error::InvalidChecksum))
    };
    let fits = others().find(|language| Mnemonic::parse_in(**language, text).is_ok());
    fits.or_else(|| others().find(known)).map(|language| name(*language))
}

const fn name(language: Language) -> &'static str {
    match language {
        Language::English => "English",
        Language::SimplifiedChinese => "Chinese (simplified)",
        Language::TraditionalChinese => "Chinese (traditional)",
        Language::Czech => "Czech",
        Language::French => "French",
        Language::Italian => "Italian",
        Language::Japanese => "Japanese",
        Language::Korean => "Korean",
        Language::Portuguese => "Portuguese",
        Language::Spanish => "Spanish",
    }
}

impl Failure for WordsError {
    fn code(&self) -> &'static str {
        match self {
            Self::WrongCount { .. } => "words/wrong-count",
            Self::UnknownWord { .. } => "words/unknown-word",
            Self::BadChecksum => "words/bad-checksum",
            Self::OtherLanguage { .. } => "words/other-language",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABANDON: &str =
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    #[test]
    fn mistakes_are_named_by_their_place() {
        let refused = |text: &str| RecoveryWords::parse(text).err();
        assert_eq!(refused(""), Some(WordsError::WrongCount { given: 0 }));
        assert_eq!(refused("zoo zoo"), Some(WordsError::WrongCount { given: 2 }));
        assert_eq!(refused(&ABANDON.replace("about", "abuot")), Some(WordsError::UnknownWord { position: 12 }));
        assert_eq!(refused(&ABANDON.replace("about", "zoo")), Some(WordsError::BadChecksum));
        let shouted = ABANDON.to_uppercase().replace(' ', " \n\t ");
        assert!(RecoveryWords::parse(&shouted).is_ok());
    }

    #[test]
    fn new_words_are_twelve_and_never_the_same() {
        let words = || RecoveryWords::generate().expect("randomness").words().collect::<Vec<_>>();
        let first = words();
        assert_eq!(first.len(), 12);
        assert_ne!(first, words());
        assert_eq!(RecoveryWords::generate_of(WordCount::TwentyFour).expect("randomness").words().count(), 24);
    }

    #[test]
    fn words_of_every_other_list_are_told_by_their_language() {
        for language in Language::ALL.iter().filter(|language| **language != Language::English) {
            let mnemonic = Mnemonic::from_entropy_in(*language, &[0x5a; 32]).expect("a length that words have");
            let refused = RecoveryWords::parse(&mnemonic.to_string()).err();
            assert_eq!(refused, Some(WordsError::OtherLanguage { language: name(*language) }));
        }
    }
}
