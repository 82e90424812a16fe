//! Recovery words (BIP39): the entropy that every key of a words wallet grows from.

use bip39::{Language, Mnemonic};
use mycoin_primitives::Failure;
use zeroize::Zeroizing;

use crate::error::WalletError;
use crate::memory;
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
        let entropy = Zeroizing::new(mnemonic.to_entropy());
        memory::keep_from_swap(&entropy);
        Self { entropy, words: mnemonic.words().collect() }
    }

    /// The words of the list that are nearest to the word at `position` (counted from 1) of a text: what was meant by a
    /// misspelt one, best first. Empty when none comes near.
    ///
    /// What it gives is as secret as the text: it is for the eyes of who typed it.
    pub fn nearest(text: &str, position: usize) -> Vec<&'static str> {
        let lower = Zeroizing::new(text.to_lowercase());
        let Some(typed) = position.checked_sub(1).and_then(|index| lower.split_whitespace().nth(index)) else {
            return Vec::new();
        };
        nearest_words(typed)
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

impl Drop for RecoveryWords {
    fn drop(&mut self) {
        // They point into a public list, but in this order they are the secret.
        std::hint::black_box(&mut self.words).fill("");
    }
}

/// How many words are offered for a misspelt one.
const OFFERED: usize = 4;
/// Words that are further away than this were not meant.
const FARTHEST: usize = 2;
/// Nobody misspells a word into a longer one.
const LONGEST_TYPED: usize = 16;

fn nearest_words(typed: &str) -> Vec<&'static str> {
    let typed: Vec<char> = typed.chars().take(LONGEST_TYPED).collect();
    // The first four letters tell all words of the list apart, so a word that begins so was meant.
    let begins = |word: &str| typed.len() >= 4 && word.chars().take(4).eq(typed.iter().take(4).copied());
    let distance = |word: &&'static str| if begins(word) { 0 } else { distance(&typed, word) };
    let mut near: Vec<(usize, bool, &'static str)> = Language::English
        .word_list()
        .iter()
        .map(|word| (distance(word), !word.starts_with(typed.first().copied().unwrap_or(' ')), *word))
        .filter(|(distance, ..)| *distance <= FARTHEST)
        .collect();
    near.sort_unstable();
    let best = near.first().map_or(0, |(distance, ..)| *distance);
    near.into_iter().filter(|(distance, ..)| *distance == best).map(|(.., word)| word).take(OFFERED).collect()
}

/// How many letters must be changed, added, left out or swapped with their neighbours (Damerau, Levenshtein).
fn distance(typed: &[char], word: &str) -> usize {
    let word: Vec<char> = word.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=word.len()).collect()];
    for (above, letter) in typed.iter().enumerate() {
        let mut row = vec![above + 1];
        for (left, other) in word.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let last = rows.get(above).map_or(&[][..], Vec::as_slice);
            let replaced = at(last, left) + usize::from(letter != other);
            let mut cost = replaced.min(at(last, left + 1) + 1).min(at(&row, left) + 1);
            let swapped =
                above > 0 && left > 0 && typed.get(above - 1) == Some(other) && word.get(left - 1) == Some(letter);
            if let Some(earlier) = rows.get(above.wrapping_sub(1)).filter(|_| swapped) {
                cost = cost.min(at(earlier, left - 1) + 1);
            }
            row.push(cost);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(usize::MAX)
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
    fn a_misspelt_word_gets_the_nearest_ones() {
        let nearest = |typed: &str| RecoveryWords::nearest(&format!("zoo {typed} zoo"), 2);
        assert_eq!(nearest("abuot"), ["about"]);
        assert_eq!(nearest("Abaut"), ["about"]);
        assert_eq!(nearest("abandonned"), ["abandon"]);
        assert!(nearest("wird").contains(&"word") && nearest("wird").first() != Some(&"bird"));
        assert!(nearest("qqqqqqqq").is_empty() && nearest(&"q".repeat(100_000)).is_empty());
        assert!(RecoveryWords::nearest("zoo", 2).is_empty() && RecoveryWords::nearest("zoo", 0).is_empty());
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
