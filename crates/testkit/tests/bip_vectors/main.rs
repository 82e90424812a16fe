//! The BIPs' own vectors, against the code that implements them.
//!
//! In:    `data/`, one file of figures per BIP, each naming its source. BIP32, 39, 84 and 86 stand there too; the wallet,
//!        which alone has keys, runs them in its `keyring/bip_vectors.rs`, and BIP174, 370 and 371 in its
//!        `psbt/bip_vectors.rs`.
//! Out:   how many vectors ran, on standard error.
//! Never: a vector that is left out without a line that says why.

mod addresses;
mod assembler;
mod bip54;
mod signatures;
mod signet;

use std::io::Write as _;

use mycoin_primitives::bitcoin::hex::FromHex as _;
use serde::de::DeserializeOwned;

/// The figures of one file of `data/`.
fn read<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("the vectors are of the form that their test reads")
}

/// The bytes that hex stands for.
fn hex(text: &str) -> Vec<u8> {
    Vec::from_hex(text).expect("the vectors are hex")
}

/// Says how many vectors ran, also when the test passes, and holds the number to what the BIP has.
#[track_caller]
fn ran(what: &str, found: usize, expected: usize) {
    writeln!(std::io::stderr(), "{what}: {found} vectors").expect("standard error can be written to");
    assert_eq!(found, expected, "{what}");
}
