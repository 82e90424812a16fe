//! A batch of cases: transactions whose inputs are opened rightly or with a flaw, and mutations of them.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, hashes::Hash};

use crate::case::{CONSENSUS, Case, legal_flags};
use crate::dice::Dice;
use crate::lock::Wrap;
use crate::mutate::mutate;
use crate::spends::{self, Family};

/// How many cases a batch has.
pub(crate) const CASES: usize = 24;
/// How many mutations go before each input that was opened.
const MUTATIONS: usize = 2;

/// Where a case comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Origin {
    pub(crate) family: Family,
    pub(crate) wrap: Wrap,
    pub(crate) mutated: bool,
}

/// The cases of the batch with this number.
pub(crate) fn cases(seed: u64, batch: u64) -> Vec<(Origin, Case)> {
    let dice = &mut Dice::new(seed, batch);
    let mut found = Vec::new();
    while found.len() < CASES {
        spend(dice, &mut found);
    }
    found.truncate(CASES);
    found
}

/// One transaction: a case for each input, and mutations of each.
fn spend(dice: &mut Dice, found: &mut Vec<(Origin, Case)>) {
    let mut tx = skeleton(dice);
    let locks: Vec<_> = (0..tx.input.len()).map(|input| spends::draw(dice, &tx, input)).collect();
    let scripts = locks.iter().map(|(_, lock)| ScriptBuf::from_bytes(lock.script_pubkey.clone()));
    let spent: Vec<TxOut> = scripts.map(|script_pubkey| TxOut { value: amount(dice), script_pubkey }).collect();
    for (input, (_, lock)) in locks.iter().enumerate() {
        lock.open(dice, &mut tx, &spent, input);
    }
    for (input, (family, lock)) in locks.iter().enumerate() {
        let case = Case { tx: tx.clone(), spent: spent.clone(), input, flags: flags(dice) };
        let origin = |mutated| Origin { family: *family, wrap: lock.wrap, mutated };
        for _ in 0..MUTATIONS {
            let mut mutation = case.clone();
            (0..dice.pick(&[1, 1, 1, 2])).for_each(|_| mutate(dice, &mut mutation));
            found.push((origin(true), mutation));
        }
        found.push((origin(false), case));
    }
}

/// Mostly all rules; otherwise any set of them that Core can run with.
pub(crate) fn flags(dice: &mut Dice) -> u32 {
    if dice.one_in(5) { legal_flags(dice.word() & CONSENSUS) } else { CONSENSUS }
}

/// A transaction before anything is signed: one to four inputs, no to four outputs.
fn skeleton(dice: &mut Dice) -> Transaction {
    let inputs = dice.pick(&[1, 1, 1, 1, 2, 2, 3, 4]);
    let outputs = dice.pick(&[0, 1, 1, 2, 2, 3, 4]);
    Transaction {
        version: Version(dice.pick(&[1, 2, 2, 2, 2, 3, 0, -1, i32::MIN])),
        lock_time: LockTime::from_consensus(dice.pick(&[
            0,
            1,
            100,
            499_999_999,
            500_000_000,
            500_000_001,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
        ])),
        input: (0..inputs).map(|_| unsigned(dice)).collect(),
        output: (0..outputs).map(|_| output(dice)).collect(),
    }
}

/// An input that nothing opens yet.
pub(crate) fn unsigned(dice: &mut Dice) -> TxIn {
    TxIn {
        previous_output: OutPoint {
            txid: Txid::from_byte_array(dice.hash()),
            vout: dice.word() >> dice.below(33).min(31),
        },
        script_sig: ScriptBuf::new(),
        sequence: sequence(dice),
        witness: Witness::new(),
    }
}

/// A sequence number of any meaning: final, relative in blocks or in time, or none.
pub(crate) fn sequence(dice: &mut Dice) -> Sequence {
    Sequence(dice.pick(&[
        0xffff_ffff,
        0xffff_fffe,
        0xffff_fffd,
        0,
        1,
        10,
        0xffff,
        0x1_0000,
        0x40_0000,
        0x40_0001,
        0x40_ffff,
        0x3f_ffff,
        0x8000_0000,
        0x8040_0001,
    ]))
}

/// A value that is ordinary, or at an end of its range. None is negative: that means to Core that it is not known.
pub(crate) fn amount(dice: &mut Dice) -> Amount {
    Amount::from_sat(match dice.below(6) {
        0 => dice.pick(&[0, 1, 2_100_000_000_000_000, 1 << 62, i64::MAX.unsigned_abs()]),
        _ => dice.long() >> 20,
    })
}

/// An output that nobody looks into.
pub(crate) fn output(dice: &mut Dice) -> TxOut {
    let length = dice.pick(&[0, 1, 22, 25, 34]);
    TxOut { value: amount(dice), script_pubkey: ScriptBuf::from_bytes(dice.bytes(length)) }
}
