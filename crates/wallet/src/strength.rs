//! How hard a password is to guess.

use zxcvbn::Score;

use crate::password::Password;

/// An estimate of how hard a password is to guess (zxcvbn: common passwords, names, dates, patterns).
#[derive(Debug, Clone, PartialEq)]
pub struct Strength {
    /// How strong it is.
    pub level: StrengthLevel,
    /// How many guesses it takes, as a power of ten.
    pub guesses_log10: f64,
    /// What makes it weak, and what would be better: whole sentences. Empty for a strong password.
    pub advice: Vec<String>,
}

/// How strong a password is. Each guess at a wallet file takes about half a second of one computer, so that a thousand
/// computers make a billion guesses in six days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StrengthLevel {
    /// Guessed at once.
    VeryWeak,
    /// Fewer than a million guesses.
    Weak,
    /// Fewer than a hundred million guesses.
    Fair,
    /// Fewer than ten billion guesses.
    Good,
    /// More than that.
    Strong,
}

/// What comes after these characters cannot make a password weaker, but would make the estimate slow.
const LONGEST_LOOKED_AT: usize = 72;

impl Password {
    /// Estimates how hard it is to guess. `known`: what others know or find first, such as the wallet's name.
    pub fn strength(&self, known: &[&str]) -> Strength {
        let text = self.as_str();
        let end = text.char_indices().nth(LONGEST_LOOKED_AT).map_or(text.len(), |(end, _)| end);
        let known: Vec<&str> = known.iter().copied().chain(["mycoin", "wallet"]).collect();
        let estimate = zxcvbn::zxcvbn(text.get(..end).unwrap_or(text), &known);
        let sentence = |text: String| if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") };
        let advice = estimate.feedback().map_or_else(Vec::new, |feedback| {
            let warning = feedback.warning().map(|warning| warning.to_string());
            let suggestions = feedback.suggestions().iter().map(ToString::to_string);
            warning.into_iter().chain(suggestions).map(sentence).collect()
        });
        Strength { level: StrengthLevel::of(estimate.score()), guesses_log10: estimate.guesses_log10(), advice }
    }
}

impl StrengthLevel {
    const fn of(score: Score) -> Self {
        match score {
            Score::Zero => Self::VeryWeak,
            Score::One => Self::Weak,
            Score::Two => Self::Fair,
            Score::Three => Self::Good,
            // The library may name more levels one day; none is weaker than its fourth.
            _ => Self::Strong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strength(text: &str) -> Strength {
        Password::new(text).expect("not empty").strength(&["savings"])
    }

    #[test]
    fn guessable_passwords_are_told_from_others() {
        for weak in ["a", "password", "qwertyuiop", "savings", "Savings1", "mycoin", "11111111111111", "31.12.1999"] {
            let found = strength(weak);
            assert!(found.level <= StrengthLevel::Weak && !found.advice.is_empty(), "{weak}: {found:?}");
            assert!(found.advice.iter().all(|sentence| sentence.ends_with(['.', '!', '?'])));
        }
        for strong in ["correct horse battery staple", "Xk9#vT2q!mWz", "žluťoučký kůň úpěl"] {
            assert!(strength(strong).level >= StrengthLevel::Good, "{strong}: {:?}", strength(strong).level);
        }
        // Of a very long one the beginning is looked at, in no time.
        assert!(strength(&"long ".repeat(40_000)).level > StrengthLevel::VeryWeak);
        assert!(strength("Xk9#vT2q!mWz").guesses_log10 > strength("password").guesses_log10 + 6.0);
    }
}
