//! Keys that no lock takes. The output holds the hash of each; the signature is valid where its key can sign at all.

use mycoin_script::{RsaKeyError, ScriptError};

use super::cases::Draft;
use super::recorded::{PSS_BY_OPENSSL, Recorded};
use super::vectors::Vector;

/// Where the parts of a key of 2048 bits begin in its encoding.
const ALGORITHM: usize = 4;
const NULL: usize = 17;
const BIT_STRING: usize = 19;
const PKCS1: usize = 24;
const MODULUS: usize = 33;
const EXPONENT: usize = 33 + 256;

const ENCODING: RsaKeyError = RsaKeyError::Encoding { bits: 2048 };

pub(super) fn refused(recorded: &mut Recorded) -> Vec<Vector> {
    let mut vectors = other_keys(recorded);
    let spki = recorded.spki("2048");
    let mut refused = |name: &str, spki: &[u8], cause| vectors.push(vector(recorded, name, "2048", spki, cause));
    for (name, spki) in other_sizes(&spki) {
        refused(name, &spki, RsaKeyError::Size { found: spki.len() });
    }
    for (name, spki) in other_encodings(&spki) {
        refused(name, &spki, ENCODING);
    }
    let changed = |place: usize, bytes: &[u8]| {
        let mut changed = spki.clone();
        changed[place..place + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let short = RsaKeyError::ShortModulus { bits: 2048 };
    refused("modulus that begins with a zero", &changed(MODULUS, &[0x00]), short.clone());
    refused("modulus without its top bit", &changed(MODULUS, &[spki[MODULUS] & 0x7f]), short);
    refused("even modulus", &changed(EXPONENT - 1, &[spki[EXPONENT - 1] & 0xfe]), RsaKeyError::EvenModulus);
    for (name, exponent) in [
        ("exponent 1 in three bytes", [0x02, 0x03, 0x00, 0x00, 0x01]),
        ("exponent 3 in three bytes", [0x02, 0x03, 0x00, 0x00, 0x03]),
        ("exponent 65536", [0x02, 0x03, 0x01, 0x00, 0x00]),
        ("exponent -65535", [0x02, 0x03, 0xff, 0x00, 0x01]),
        ("exponent that is no INTEGER", [0x04, 0x03, 0x01, 0x00, 0x01]),
    ] {
        refused(name, &changed(EXPONENT, &exponent), RsaKeyError::Exponent);
    }
    vectors
}

fn vector(recorded: &mut Recorded, name: &str, key: &str, spki: &[u8], cause: RsaKeyError) -> Vector {
    let draft = Draft::of(spki);
    let signature = draft.sign(recorded, key, PSS_BY_OPENSSL);
    draft.witness(&[&signature, spki]).invalid(&format!("key: {name}"), ScriptError::RsaKey { cause })
}

/// Sound keys of kinds that are not allowed, with valid signatures.
fn other_keys(recorded: &mut Recorded) -> Vec<Vector> {
    let keys = [
        ("1024 bits", "1024", RsaKeyError::Size { found: 162 }),
        ("2047 bits", "2047", RsaKeyError::Size { found: 293 }),
        ("8192 bits", "8192", RsaKeyError::Size { found: 1062 }),
        ("exponent 3", "exponent_3", RsaKeyError::Size { found: 292 }),
        ("exponent 65539", "exponent_65539", RsaKeyError::Exponent),
        ("id-RSASSA-PSS", "pss_oid", RsaKeyError::Size { found: 292 }),
    ];
    keys.into_iter()
        .map(|(name, key, cause)| {
            let spki = recorded.spki(key);
            vector(recorded, name, key, &spki, cause)
        })
        .collect()
}

/// The key of 2048 bits in encodings of sizes that no allowed key has.
fn other_sizes(spki: &[u8]) -> [(&'static str, Vec<u8>); 7] {
    let without_null: [&[u8]; 3] = [&[0x30, 0x82, 0x01, 0x20, 0x30, 0x0b], &spki[6..NULL], &spki[BIT_STRING..]];
    let exponent_1: [&[u8]; 5] = [
        &[0x30, 0x82, 0x01, 0x20],
        &spki[ALGORITHM..BIT_STRING],
        &[0x03, 0x82, 0x01, 0x0d, 0x00, 0x30, 0x82, 0x01, 0x08],
        &spki[28..EXPONENT],
        &[0x02, 0x01, 0x01],
    ];
    [
        ("empty", Vec::new()),
        ("without its last byte", spki[..spki.len() - 1].to_vec()),
        ("a byte behind", [spki, [0x00].as_slice()].concat()),
        ("BER, a length in three bytes", [[0x30, 0x83, 0x00, 0x01, 0x22].as_slice(), &spki[ALGORITHM..]].concat()),
        ("without the NULL", without_null.concat()),
        ("exponent 1", exponent_1.concat()),
        ("RSAPublicKey without its algorithm", spki[PKCS1..].to_vec()),
    ]
}

/// The key of 2048 bits in other encodings of the same size.
fn other_encodings(spki: &[u8]) -> [(&'static str, Vec<u8>); 8] {
    let changed = |place: usize, byte: u8| {
        let mut changed = spki.to_vec();
        changed[place] = byte;
        changed
    };
    let long_lengths: [&[u8]; 4] = [
        &[0x30, 0x83, 0x00, 0x01, 0x21, 0x30, 0x0b],
        &spki[6..NULL],
        &[0x03, 0x83, 0x00, 0x01, 0x0f],
        &spki[BIT_STRING + 4..],
    ];
    [
        ("BER, two lengths in three bytes and no NULL", long_lengths.concat()),
        ("BER, indefinite length", [[0x30, 0x80].as_slice(), &spki[ALGORITHM..], &[0x00; 2]].concat()),
        ("a length that is one too large", changed(3, 0x23)),
        ("a SET for the SEQUENCE", changed(0, 0x31)),
        ("id-RSASSA-PSS with a NULL", changed(16, 0x0a)),
        ("parameters that are no NULL", changed(NULL, 0x30)),
        ("a BIT STRING with an unused bit", changed(BIT_STRING + 4, 0x01)),
        ("modulus of 2049 bits", changed(MODULUS - 1, 0x01)),
    ]
}
