//! Relative lock times: BIP68 and BIP112, with every kind of version. The version is read as unsigned.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::{ScriptBuf, Sequence, Transaction};

use super::Story;
use super::lock::{Condition, Lock, Owned, Payment};
use super::segwit::output_of;
use super::story::Teller;

const ANYONE: Lock = Lock::Bare(Condition::Anyone);

/// 0, 1, 2, 2³¹-1, 2³¹ and 2³²-1 as the library stores them; only the first two switch the rules off.
const VERSIONS: [i32; 6] = [0, 1, 2, i32::MAX, i32::MIN, -1];

const BLOCKS: u32 = 3;
const DISABLED: u32 = 1 << 31;
const IN_TIME: u32 = 1 << 22;

pub(super) fn sequence_locks() -> Story {
    let mut teller = Teller::new("sequence_locks", 60);
    for version in VERSIONS {
        blocks(&mut teller, version);
        check_sequence_verify(&mut teller, version);
        time(&mut teller, version);
    }
    within_a_block(&mut teller);
    teller.end()
}

fn spend(owned: &Owned, version: i32, sequence: u32) -> Transaction {
    Payment::of(vec![owned.clone()])
        .pay(ANYONE.script(), owned.output.value)
        .version(version)
        .locked(LockTime::ZERO, Sequence::from_consensus(sequence))
        .sign()
}

const fn has_rules(version: i32) -> bool {
    version != 0 && version != 1
}

fn blocks(teller: &mut Teller, version: i32) {
    let name = format!("version {:#x}, {BLOCKS} blocks", version.cast_unsigned());
    let owned = output_of(teller, &name, &ANYONE);
    for depth in 1..BLOCKS {
        let tx = spend(&owned, version, BLOCKS);
        if !has_rules(version) {
            teller.accept_next(&name, vec![tx]);
            return;
        }
        teller.reject_next(&format!("{name}, at depth {depth}"), vec![tx], "bad-txns-nonfinal");
        teller.accept_next(&format!("{name}, depth {depth}"), Vec::new());
    }
    teller.accept_next(&name, vec![spend(&owned, version, BLOCKS)]);
    let owned = output_of(teller, &format!("{name}, switched off"), &ANYONE);
    let off = spend(&owned, version, DISABLED | 0xffff);
    teller.accept_next(&format!("{name}, switched off"), vec![off]);
}

fn check_sequence_verify(teller: &mut Teller, version: i32) {
    let name = format!("version {:#x}, CSV", version.cast_unsigned());
    let script = ScriptBuf::from_bytes(vec![0x50 + 3, 0xb2, 0x75, 0x51]);
    let lock = Lock::Bare(Condition::Script { script, stack: Vec::new() });
    let unsatisfied = "block-script-verify-flag-failed (Locktime requirement not satisfied)";
    let owned = output_of(teller, &name, &lock);
    for depth in 1..=BLOCKS {
        teller.accept_next(&format!("{name}, depth {depth}"), Vec::new());
    }
    teller.reject_next(&format!("{name}, too low"), vec![spend(&owned, version, BLOCKS - 1)], unsatisfied);
    teller.reject_next(&format!("{name}, final"), vec![spend(&owned, version, u32::MAX)], unsatisfied);
    if has_rules(version) {
        let other = spend(&owned, version, IN_TIME);
        teller.reject_next(&format!("{name}, a time for blocks"), vec![other], unsatisfied);
        teller.accept_next(&name, vec![spend(&owned, version, BLOCKS)]);
    } else {
        teller.reject_next(&name, vec![spend(&owned, version, BLOCKS)], unsatisfied);
    }
    // 0x80 is minus zero, which is not negative; then the version's rule and the sequence's follow.
    let negative = "block-script-verify-flag-failed (Negative locktime)";
    for (kind, number, reason) in [("minus one", 0x81, negative), ("minus zero", 0x80, unsatisfied)] {
        let name = format!("{name} of {kind}");
        let script = ScriptBuf::from_bytes(vec![0x01, number, 0xb2, 0x75, 0x51]);
        let owned = output_of(teller, &name, &Lock::Bare(Condition::Script { script, stack: Vec::new() }));
        teller.reject_next(&name, vec![spend(&owned, version, u32::MAX)], reason);
    }
}

/// One unit of 512 seconds after the median time past of the block before the output's.
fn time(teller: &mut Teller, version: i32) {
    let name = format!("version {:#x}, 512 s", version.cast_unsigned());
    let owned = output_of(teller, &name, &ANYONE);
    let tx = spend(&owned, version, IN_TIME | 1);
    if !has_rules(version) {
        teller.accept_next(&name, vec![tx]);
        return;
    }
    teller.reject_next(&format!("{name}, too early"), vec![tx.clone()], "bad-txns-nonfinal");
    let before = teller.lab.median_time_past(teller.lab.parent(teller.tip()));
    loop {
        let past = teller.lab.median_time_past(teller.tip());
        if past >= before + 512 {
            break;
        }
        if past + 1 >= before + 512 - 100 {
            teller.reject_next(&format!("{name}, still too early"), vec![tx.clone()], "bad-txns-nonfinal");
        }
        let block = teller.lab.mine_changed(teller.tip(), Vec::new(), |block| block.header.time += 100);
        teller.accept(&format!("{name}, time passes"), &block);
    }
    teller.accept_next(&name, vec![tx]);
}

/// An output of the same block has no depth at all.
fn within_a_block(teller: &mut Teller) {
    for (name, sequence, holds) in [("no depth asked", 0, true), ("one block asked", 1, false)] {
        let out = teller.out();
        let first = teller.lab.pay(&out, ANYONE);
        let second = spend(&Owned::output(&first, 0, ANYONE), 2, sequence);
        if holds {
            teller.accept_next(name, vec![first, second]);
        } else {
            teller.reject_next(name, vec![first, second], "bad-txns-nonfinal");
        }
    }
}
