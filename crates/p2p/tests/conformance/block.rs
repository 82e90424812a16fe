//! A block with witnesses, put together by hand.

use crate::bytes::{double_sha256, hex, table};

/// Genesis of regtest as it stands in messages.
pub(crate) const GENESIS: &str = "06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f";

/// A payment with a witness, in the two forms that it has on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    /// With its witness (BIP144).
    pub(crate) whole: Vec<u8>,
    /// Without.
    pub(crate) stripped: Vec<u8>,
}

impl Payment {
    /// Spends output 0 of a transaction whose id is 32 times that byte.
    pub(crate) fn of(parent: u8) -> Self {
        Self::spending(&[parent; 32])
    }

    /// Spends output 0 of that transaction.
    pub(crate) fn spending(parent: &[u8; 32]) -> Self {
        let version = hex("02000000");
        let mark_and_flag = hex("00 01");
        let input = [&hex("01")[..], parent, &hex("00000000"), &hex("00"), &hex("ffffffff")].concat();
        let output = table(&[("count", "01"), ("value", "e803000000000000"), ("script: OP_TRUE", "01 51")]);
        let witness = table(&[("items of input 0", "01"), ("its one item", "01 2a")]);
        let lock_time = hex("00000000");
        Self {
            whole: [&version[..], &mark_and_flag, &input, &output, &witness, &lock_time].concat(),
            stripped: [&version[..], &input, &output, &lock_time].concat(),
        }
    }

    pub(crate) fn txid(&self) -> [u8; 32] {
        double_sha256(&self.stripped)
    }

    pub(crate) fn wtxid(&self) -> [u8; 32] {
        double_sha256(&self.whole)
    }
}

/// Block 1 of a regtest chain, with a coinbase and two payments.
#[derive(Debug, Clone)]
pub(crate) struct HandMade {
    pub(crate) header: Vec<u8>,
    pub(crate) coinbase: Vec<u8>,
    pub(crate) payments: [Payment; 2],
    stripped_coinbase: Vec<u8>,
}

impl HandMade {
    pub(crate) fn new() -> Self {
        let payments = [Payment::of(0xaa), Payment::of(0xbb)];
        // BIP141: the witness root over zeros and both wtxids, hashed with 32 reserved zeros.
        let witness_root = merkle_of_three([0; 32], payments[0].wtxid(), payments[1].wtxid());
        let commitment = double_sha256(&[witness_root, [0; 32]].concat());
        let version = hex("02000000");
        let input = table(&[
            ("count", "01"),
            ("no coin", "0000000000000000000000000000000000000000000000000000000000000000 ffffffff"),
            ("script: height 1, OP_0", "02 51 00"),
            ("sequence", "ffffffff"),
        ]);
        let outputs = [
            &table(&[
                ("count", "02"),
                ("50 coins", "00f2052a01000000"),
                ("script: OP_TRUE", "01 51"),
                ("nothing", "0000000000000000"),
                ("script: OP_RETURN, 36 bytes, BIP141's sign", "26 6a 24 aa21a9ed"),
            ])[..],
            &commitment,
        ]
        .concat();
        let witness = [&hex("01 20")[..], &[0; 32]].concat();
        let lock_time = hex("00000000");
        let coinbase = [&version[..], &hex("00 01"), &input, &outputs, &witness, &lock_time].concat();
        let stripped_coinbase = [&version[..], &input, &outputs, &lock_time].concat();
        let root = merkle_of_three(double_sha256(&stripped_coinbase), payments[0].txid(), payments[1].txid());
        Self { header: header(&root), coinbase, payments, stripped_coinbase }
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        double_sha256(&self.header)
    }

    /// The payload of `block`, with witnesses.
    pub(crate) fn whole(&self) -> Vec<u8> {
        [&self.header[..], &[3], &self.coinbase, &self.payments[0].whole, &self.payments[1].whole].concat()
    }

    /// Without them.
    pub(crate) fn stripped(&self) -> Vec<u8> {
        let [first, second] = &self.payments;
        [&self.header[..], &[3], &self.stripped_coinbase, &first.stripped, &second.stripped].concat()
    }
}

/// Of three leaves the last is paired with itself.
fn merkle_of_three(first: [u8; 32], second: [u8; 32], third: [u8; 32]) -> [u8; 32] {
    let left = double_sha256(&[first, second].concat());
    let right = double_sha256(&[third, third].concat());
    double_sha256(&[left, right].concat())
}

/// The header of block 1 with that root, and a nonce by which its hash is low enough.
fn header(root: &[u8; 32]) -> Vec<u8> {
    let head = [&table(&[("version", "00000020"), ("block before", GENESIS)])[..], root].concat();
    let tail = table(&[("time", "00d2496b"), ("target: 7fffff and 29 zeros", "ffff7f20")]);
    (0u32..)
        .map(|nonce| [&head[..], &tail, &nonce.to_le_bytes()].concat())
        .find(|header| double_sha256(header)[31] < 0x7f)
        .expect("one of two nonces does")
}
