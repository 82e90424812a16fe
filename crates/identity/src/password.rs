//! The password that the keys are encrypted with.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::IdentityError;

/// The password that keys are encrypted with. Wiped from memory when dropped; has no `Debug`, so no log can hold it.
pub struct KeyPassword(Zeroizing<String>);

impl KeyPassword {
    /// Takes a password.
    ///
    /// # Errors
    ///
    /// [`IdentityError::EmptyPassword`].
    pub fn new(text: Zeroizing<String>) -> Result<Self, IdentityError> {
        if text.is_empty() { Err(IdentityError::EmptyPassword) } else { Ok(Self(text)) }
    }

    /// A new random one of 64 hexadecimal digits, for programs that nobody types a password into.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn random() -> Result<Self, IdentityError> {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut()).map_err(|_| IdentityError::NoRandomness)?;
        // Its full size at once: a string that grows leaves copies of itself in memory.
        let mut text = Zeroizing::new(String::with_capacity(64));
        for byte in bytes.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        Ok(Self(text))
    }

    /// The password's text: for storing a random one in a file that only its owner can read, never for showing it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_passwords_differ_and_empty_ones_are_refused() -> Result<(), IdentityError> {
        let (one, two) = (KeyPassword::random()?, KeyPassword::random()?);
        assert_eq!(one.expose().len(), 64);
        assert_ne!(one.expose(), two.expose());
        assert!(matches!(KeyPassword::new(Zeroizing::new(String::new())), Err(IdentityError::EmptyPassword)));
        Ok(())
    }
}
