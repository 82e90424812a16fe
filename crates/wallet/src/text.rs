//! Short texts that people write and that are shown again: labels, names, messages.
//!
//! In:    what was typed, pasted, or read from somebody's file or link.
//! Out:   the text without blanks around it.
//! Never: a character that hides, or that changes how the text around it reads.

use std::fmt::{self, Display, Formatter};

/// The most characters of a label, a message or a note. Source: BIP329 lets programs cut labels after 255.
pub(crate) const TEXT_LIMIT: usize = 255;

/// Why a short text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than is kept.
    #[error("it has {length} characters, and at most {limit} are kept")]
    TooLong {
        /// How many it has.
        length: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A control character, or one that hides or turns the direction of reading.
    #[error("its character {position} ({}) cannot be seen, or changes how the others read", Code(*character))]
    Hidden {
        /// Its place, counted from 1.
        position: usize,
        /// The character.
        character: char,
    },
}

/// A character that must not be printed, by its number.
struct Code(char);

impl Display for Code {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))
    }
}

/// Control characters, and those of Unicode that show nothing or turn the direction of what follows.
/// Source: Unicode 16, general categories Cc, Zl and Zp, and Default_Ignorable_Code_Point but for those inside words and emoji.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The text without blanks around it, if it may be kept.
pub(crate) fn checked(text: &str, limit: usize) -> Result<String, TextError> {
    let text = text.trim();
    let length = text.chars().count();
    if length > limit {
        return Err(TextError::TooLong { length, limit });
    }
    match text.chars().enumerate().find(|(_, character)| is_hidden(*character)) {
        Some((place, character)) => Err(TextError::Hidden { position: place + 1, character }),
        None => Ok(text.to_owned()),
    }
}

/// The text with a blank for each character that may not be kept.
pub(crate) fn cleaned(text: &str) -> String {
    let shown: String = text.chars().map(|character| if is_hidden(character) { ' ' } else { character }).collect();
    shown.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_read_as_they_look_are_kept() {
        for good in ["", "rent", "  rent ", "Miete für März", "家賃", "👩\u{200d}👧 trip", "=1+1", "a\u{308}"] {
            assert_eq!(checked(good, TEXT_LIMIT).as_deref(), Ok(good.trim()));
        }
        assert!(checked(&"ä".repeat(TEXT_LIMIT), TEXT_LIMIT).is_ok());
    }

    #[test]
    fn texts_that_hide_something_are_refused_by_place_and_number() {
        for bad in ["a\nb", "a\tb", "a\0b", "a\x1b[2Jb", "a\u{202e}b", "a\u{200b}b", "a\u{feff}b", "a\u{9b}b"] {
            let error = checked(bad, TEXT_LIMIT).expect_err(bad);
            assert!(matches!(error, TextError::Hidden { position: 2, .. }), "{error}");
            assert!(!error.to_string().chars().any(is_hidden), "{error:?}");
            assert_eq!(checked(&cleaned(bad), TEXT_LIMIT).as_deref(), Ok(cleaned(bad).as_str()));
        }
        let long = "x".repeat(TEXT_LIMIT + 1);
        assert_eq!(checked(&long, TEXT_LIMIT), Err(TextError::TooLong { length: 256, limit: 255 }));
    }
}
