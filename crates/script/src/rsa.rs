//! The RSA lock's keys and signatures: which keys are allowed, what their output script is, what a verification costs.
//! The specification, for other implementations too, is `docs/rsa-lock.md`.
//!
//! Start at [`check_spki`].

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PSS_2048_8192_SHA256};
use mycoin_primitives::bitcoin::opcodes::all::OP_PUSHNUM_16;
use mycoin_primitives::bitcoin::script::Builder;
use mycoin_primitives::hashes::{Hash, sha256};
use mycoin_primitives::{Script, ScriptBuf};

/// What follows the modulus: the exponent, INTEGER 65537.
const SPKI_END: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// The bytes before the modulus in a DER SubjectPublicKeyInfo (RFC 5280, RFC 8017 appendix A.1.1).
///
/// Modulus size and exponent are fixed, and so then is every byte around the modulus, the zero before its set top
/// bit included. Comparing them leaves no second encoding of the same key and needs no parser.
const SPKI_START_2048: [u8; 33] = spki_start(0x01, 0x22, 0x01, 0x0f, 0x01, 0x0a, 0x01, 0x01);
const SPKI_START_3072: [u8; 33] = spki_start(0x01, 0xa2, 0x01, 0x8f, 0x01, 0x8a, 0x01, 0x81);
const SPKI_START_4096: [u8; 33] = spki_start(0x02, 0x22, 0x02, 0x0f, 0x02, 0x0a, 0x02, 0x01);

/// Lays out SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { INTEGER 0x00…, with each length's two bytes.
#[expect(clippy::too_many_arguments, reason = "four lengths of two bytes, in the order in which they stand")]
const fn spki_start(o1: u8, o2: u8, b1: u8, b2: u8, k1: u8, k2: u8, m1: u8, m2: u8) -> [u8; 33] {
    [
        0x30, 0x82, o1, o2, // the whole
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
        0x00, // rsaEncryption, NULL
        0x03, 0x82, b1, b2, 0x00, // a string of whole bytes
        0x30, 0x82, k1, k2, // the key
        0x02, 0x82, m1, m2, 0x00, // the modulus, kept positive by a zero
    ]
}

/// The allowed key sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySize {
    /// 2048 bits.
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    Rsa4096,
}

impl KeySize {
    /// Every allowed size.
    pub const ALL: [Self; 3] = [Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// The modulus' size in bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Rsa2048 => 2048,
            Self::Rsa3072 => 3072,
            Self::Rsa4096 => 4096,
        }
    }

    /// The size in bytes of the modulus, and of a signature without its hash type.
    pub const fn modulus_bytes(self) -> usize {
        match self {
            Self::Rsa2048 => 256,
            Self::Rsa3072 => 384,
            Self::Rsa4096 => 512,
        }
    }

    /// The size in bytes of the key's DER SubjectPublicKeyInfo.
    pub const fn spki_bytes(self) -> usize {
        self.spki_start().len() + self.modulus_bytes() + SPKI_END.len()
    }

    /// What one verification counts against a block's signature budget, in signature-operation cost.
    ///
    /// One unit is one elliptic-curve verification, which is what a P2WPKH input counts. Side by side on one busy core a
    /// lock's input takes 0.51 to 0.54 (2048 bits), 0.97 to 1.03 (3072) and 1.60 to 1.71 (4096) times as long as a taproot
    /// key spend; each kind by itself, 0.55, 1.1 and 2.2 were measured. The largest count, rounded up, so that no key is a
    /// cheaper way to make a block slow. Measure again with `cargo bench -p mycoin-testkit --bench signatures`; the tables
    /// are in `docs/rsa-lock.md`.
    pub const fn verify_cost(self) -> u64 {
        match self {
            Self::Rsa2048 => 1,
            Self::Rsa3072 => 2,
            Self::Rsa4096 => 3,
        }
    }

    const fn spki_start(self) -> &'static [u8; 33] {
        match self {
            Self::Rsa2048 => &SPKI_START_2048,
            Self::Rsa3072 => &SPKI_START_3072,
            Self::Rsa4096 => &SPKI_START_4096,
        }
    }
}

/// What an RSA lock counts when its witness holds no key of an allowed size: as much as the largest, though it will fail.
pub const UNKNOWN_KEY_COST: u64 = KeySize::Rsa4096.verify_cost();

/// Why an RSA key is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RsaKeyError {
    /// Its encoding has the size of no allowed key.
    #[error("its encoding has {found} bytes, which no key of 2048, 3072 or 4096 bits has")]
    Size {
        /// How many bytes the encoding has.
        found: usize,
    },
    /// The bytes around the modulus are not the canonical ones: another algorithm, another form or a longer modulus.
    #[error("it is not the canonical DER of an RSA key of {bits} bits")]
    Encoding {
        /// The key size that the encoding's length stands for.
        bits: u32,
    },
    /// The exponent is another one.
    #[error("its exponent is not 65537")]
    Exponent,
    /// The modulus' top bit is not set, so the key has fewer bits than its encoding has room for.
    #[error("its modulus has fewer than {bits} bits")]
    ShortModulus {
        /// The key size that the encoding's length stands for.
        bits: u32,
    },
    /// The modulus is even, which no product of two large primes is.
    #[error("its modulus is even")]
    EvenModulus,
}

/// Checks that `spki` is the canonical DER SubjectPublicKeyInfo of an allowed key, and says of which size.
///
/// # Errors
///
/// [`RsaKeyError`] names what is not allowed.
pub fn check_spki(spki: &[u8]) -> Result<KeySize, RsaKeyError> {
    let size = KeySize::ALL.into_iter().find(|size| size.spki_bytes() == spki.len());
    let Some(size) = size else { return Err(RsaKeyError::Size { found: spki.len() }) };
    let bits = size.bits();
    let Some(rest) = spki.strip_prefix(size.spki_start()) else { return Err(RsaKeyError::Encoding { bits }) };
    let (modulus, end) = rest.split_at_checked(size.modulus_bytes()).ok_or(RsaKeyError::Encoding { bits })?;
    if end != SPKI_END {
        return Err(RsaKeyError::Exponent);
    }
    if modulus.first().is_none_or(|byte| byte & 0x80 == 0) {
        return Err(RsaKeyError::ShortModulus { bits });
    }
    if modulus.last().is_none_or(|byte| byte & 1 == 0) {
        return Err(RsaKeyError::EvenModulus);
    }
    Ok(size)
}

/// The 32 bytes that stand for the key in an output: the SHA-256 of its DER SubjectPublicKeyInfo.
pub fn key_hash(spki: &[u8]) -> [u8; 32] {
    sha256::Hash::hash(spki).to_byte_array()
}

/// The output script that locks to the key: OP_16 and the SHA-256 of its DER SubjectPublicKeyInfo.
///
/// Does not check the key; see [`check_spki`].
pub fn rsa_lock_script(spki: &[u8]) -> ScriptBuf {
    Builder::new().push_opcode(OP_PUSHNUM_16).push_slice(key_hash(spki)).into_script()
}

/// The key hash of an RSA lock; `None` for any other script.
pub fn lock_program(script: &Script) -> Option<&[u8; 32]> {
    script.as_bytes().strip_prefix(&[OP_PUSHNUM_16.to_u8(), 32])?.try_into().ok()
}

/// Whether `signature` is RSASSA-PSS of `message` by the key, with SHA-256, MGF1-SHA-256 and a 32-byte salt.
///
/// `message` is hashed by PSS itself; the RSA lock's is the 32 bytes of [`crate::rsa_sighash`].
pub fn verify(spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, spki).is_ok_and(|key| key.verify_sig(message, signature).is_ok())
}
