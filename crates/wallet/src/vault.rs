//! The wallet file's cryptography: keys from a password (Argon2id), sealed bytes (XChaCha20-Poly1305).
//!
//! In:    a password, parameters and salt of a header, bytes.
//! Out:   keys and plain bytes in memory that is wiped when dropped.
//! Never: a nonce of our own making: each is 24 random bytes, so many that none comes twice.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use rand::TryRngCore as _;
use zeroize::Zeroizing;

use crate::error::WalletError;
use crate::password::Password;

/// A key of XChaCha20-Poly1305.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// Bytes before each sealed text: its nonce.
pub(crate) const NONCE_LENGTH: usize = 24;
/// How much longer sealed bytes are: nonce and tag.
pub(crate) const SEAL_OVERHEAD: usize = NONCE_LENGTH + 16;

/// How hard it is to try a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KdfParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// What a password opens.
pub(crate) struct PasswordKeys {
    /// Wraps the data key.
    pub(crate) wrap: Key,
    /// Seals the signing secret.
    pub(crate) secret: Key,
}

/// Why sealed bytes did not open: the key is not theirs, or they were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoesNotOpen;

impl KdfParams {
    /// 64 MiB as in RFC 9106's second recommendation, but twelve passes in place of three: half a second on one core of an
    /// ordinary machine, where three take a fifth of that. Lanes help only who has as many cores, which is who guesses.
    pub(crate) const STANDARD: Self = Self { memory_kib: 64 * 1024, passes: 12, lanes: 1 };

    /// A file with less was not written by us: OWASP's least. Tests write cheaper ones.
    const LEAST: Self = if cfg!(test) {
        Self { memory_kib: 8, passes: 1, lanes: 1 }
    } else {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    };
    /// A file that asks for more wants to exhaust the machine.
    const MOST: Self = Self { memory_kib: 1024 * 1024, passes: 20, lanes: 16 };

    /// Parameters that cost nothing, for tests that are not about them.
    #[cfg(test)]
    pub(crate) const fn cheap() -> Self {
        Self { memory_kib: 64, passes: 1, lanes: 1 }
    }

    /// Reads parameters from a file's header; `None` when they are out of bounds.
    pub(crate) fn read([memory_kib, passes, lanes]: [u32; 3]) -> Option<Self> {
        let within = (Self::LEAST.memory_kib..=Self::MOST.memory_kib).contains(&memory_kib)
            && (Self::LEAST.passes..=Self::MOST.passes).contains(&passes)
            && (Self::LEAST.lanes..=Self::MOST.lanes).contains(&lanes);
        within.then_some(Self { memory_kib, passes, lanes })
    }

    /// The three numbers, in the order that [`KdfParams::read`] takes them.
    pub(crate) const fn write(self) -> [u32; 3] {
        [self.memory_kib, self.passes, self.lanes]
    }

    /// The keys of a password: Argon2id's 64 bytes, cut in two.
    ///
    /// # Errors
    ///
    /// [`WalletError::Crypto`] when the memory is not to be had.
    pub(crate) fn derive(self, password: &Password, salt: &[u8; 16]) -> Result<PasswordKeys, WalletError> {
        let failed = |_| WalletError::Crypto { what: "password hashing" };
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(64)).map_err(failed)?;
        let mut output = Zeroizing::new([0; 64]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), salt, output.as_mut_slice())
            .map_err(failed)?;
        let mut keys = PasswordKeys { wrap: Key::default(), secret: Key::default() };
        let (wrap, secret) = output.split_at(32);
        keys.wrap.copy_from_slice(wrap);
        keys.secret.copy_from_slice(secret);
        Ok(keys)
    }
}

/// Random bytes from the operating system, and from nowhere else.
///
/// # Errors
///
/// [`WalletError::NoRandomness`].
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, WalletError> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::rngs::OsRng.try_fill_bytes(bytes.as_mut_slice()).map_err(|_| WalletError::NoRandomness)?;
    Ok(bytes)
}

/// Seals `plain` under a fresh nonce, which stands before the sealed text. `context` must be given again to open it.
///
/// # Errors
///
/// [`WalletError::NoRandomness`].
pub(crate) fn seal(key: &Key, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, WalletError> {
    let nonce = random::<NONCE_LENGTH>()?;
    let cipher = XChaCha20Poly1305::new(key.as_slice().into());
    let sealed = cipher
        .encrypt(XNonce::from_slice(nonce.as_slice()), Payload { msg: plain, aad: context })
        .map_err(|_| WalletError::Crypto { what: "encryption" })?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// Opens what [`seal`] made with the same key and context.
///
/// # Errors
///
/// [`DoesNotOpen`].
pub(crate) fn open(key: &Key, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LENGTH).ok_or(DoesNotOpen)?;
    let cipher = XChaCha20Poly1305::new(key.as_slice().into());
    let plain = cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: text, aad: context });
    plain.map(Zeroizing::new).map_err(|_| DoesNotOpen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_context_only() {
        let (key, other) = (random().expect("randomness"), random().expect("randomness"));
        let sealed = seal(&key, b"here", b"plain").expect("randomness");
        assert_eq!(sealed.len(), 5 + SEAL_OVERHEAD);
        assert_eq!(open(&key, b"here", &sealed).as_deref().map(Vec::as_slice), Ok(b"plain".as_slice()));
        assert!(open(&other, b"here", &sealed).is_err());
        assert!(open(&key, b"there", &sealed).is_err());
        assert!(open(&key, b"here", &sealed[..20]).is_err());
        assert_ne!(sealed, seal(&key, b"here", b"plain").expect("randomness"), "each has its own nonce");
    }

    #[test]
    fn parameters_of_a_hostile_file_are_refused() {
        assert_eq!(KdfParams::read(KdfParams::STANDARD.write()), Some(KdfParams::STANDARD));
        for hostile in [[u32::MAX, 3, 4], [1024 * 1024 + 1, 3, 4], [65_536, 21, 4], [65_536, 3, 17], [0, 0, 0]] {
            assert_eq!(KdfParams::read(hostile), None);
        }
    }

    /// What it takes is printed, for machines differ.
    #[test]
    fn trying_a_password_takes_long() {
        use std::io::Write as _;
        let password = Password::new("p").expect("not empty");
        let start = std::time::Instant::now();
        KdfParams::STANDARD.derive(&password, &[1; 16]).expect("64 MiB are to be had");
        let taken = start.elapsed();
        writeln!(std::io::stderr(), "a try at a password takes {} ms", taken.as_millis()).expect("standard error");
        let [memory_kib, passes, _] = KdfParams::STANDARD.write();
        assert!(memory_kib >= 64 * 1024 && passes >= 3 && taken.as_millis() >= 100, "{taken:?}");
    }

    #[test]
    fn a_password_gives_two_unlike_keys_that_hang_on_its_salt() {
        let password = Password::new("p").expect("not empty");
        let keys = |salt| KdfParams::cheap().derive(&password, &[salt; 16]).expect("little memory");
        let (one, same, other) = (keys(1), keys(1), keys(2));
        assert_ne!(one.wrap, one.secret);
        assert_eq!(one.wrap, same.wrap);
        assert_ne!(one.wrap, other.wrap);
    }
}
