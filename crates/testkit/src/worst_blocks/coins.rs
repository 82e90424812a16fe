//! Coins: as many as fit, one out of another, and under the costliest keys of ours.

use aws_lc_rs::rsa::{KeyPair, KeySize};
use mycoin_primitives::{Amount, Network, OutPoint, ScriptBuf, Sequence, TxIn, TxOut, Witness};

use super::{Making, STRIPPED_BYTES, WEIGHT, WorstBlock, output_of, transaction};
use crate::keys::Key;

fn anyone_can_spend() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51])
}

fn input(previous_output: OutPoint) -> TxIn {
    TxIn { previous_output, script_sig: ScriptBuf::new(), sequence: Sequence::MAX, witness: Witness::new() }
}

/// Each transaction spends what the one before it made.
pub(super) fn chained_spends() -> WorstBlock {
    let mut making = Making::on(Network::regtest());
    let (mut last, output) = making.coin(anyone_can_spend());
    for _ in 0..STRIPPED_BYTES / 61 {
        let txid = making.transaction(vec![input(last)], vec![output.clone()]).compute_txid();
        last = OutPoint { txid, vout: 0 };
    }
    making.block()
}

/// Half of the block makes coins of the fewest bytes, half of it spends some.
pub(super) fn many_coins() -> WorstBlock {
    let mut making = Making::on(Network::regtest());
    let inputs = (0..12_000).map(|_| making.input(&anyone_can_spend(), ScriptBuf::new(), Witness::new())).collect();
    let outputs = (STRIPPED_BYTES - 12_000 * 41 - 100) / 9;
    making.transaction(inputs, vec![output_of(0); outputs]);
    making.block()
}

/// A transaction for each input, as payments are.
pub(super) fn rsa_locks() -> WorstBlock {
    let key = Key::Rsa(Box::new(KeyPair::generate(KeySize::Rsa4096).expect("the library can make keys")));
    let mut making = Making::on(Network::demo());
    let mut weight = 0;
    loop {
        let (outpoint, spent) = making.coin(key.script());
        let output = TxOut { value: Amount::ZERO, script_pubkey: anyone_can_spend() };
        let mut tx = transaction(vec![input(outpoint)], vec![output]);
        tx.input[0].witness = key.sign(&tx, 0, &[spent]);
        weight += usize::try_from(tx.weight().to_wu()).expect("a transaction is small");
        if weight > WEIGHT {
            return making.block();
        }
        making.transaction(tx.input, tx.output);
    }
}
