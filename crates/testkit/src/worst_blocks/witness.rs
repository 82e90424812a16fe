//! With witnesses: scripts and items as large and as many as the weight allows.

use mycoin_primitives::bitcoin::opcodes::all::{
    OP_2DROP, OP_2DUP, OP_3DUP, OP_CHECKMULTISIG, OP_CHECKSIGVERIFY, OP_DROP, OP_RIPEMD160, OP_ROLL,
};
use mycoin_primitives::bitcoin::script::Builder;
use mycoin_primitives::bitcoin::secp256k1::{Keypair, Message, Secp256k1};
use mycoin_primitives::bitcoin::sighash::{Annex, Prevouts, SighashCache, TapSighashType};
use mycoin_primitives::bitcoin::taproot::{LeafVersion, TapLeafHash, TaprootBuilder, TaprootSpendInfo};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Network, ScriptBuf, Sequence, TxIn, Witness};

use super::legacy::key;
use super::{Making, WEIGHT, WorstBlock, output_of, transaction};

/// What an input, its transaction and the framing of its witness weigh at most, without the large part.
const FRAME: usize = 1_000;
/// The largest item that a script may use.
const ITEM: [u8; 520] = [7; 520];

fn keypair() -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[9; 32]).expect("32 equal bytes are a secret key")
}

/// A script as the only leaf of a taproot output.
struct Leaf {
    script: ScriptBuf,
    spend: TaprootSpendInfo,
}

impl Leaf {
    fn new(script: ScriptBuf) -> Self {
        let tree = TaprootBuilder::new().add_leaf(0, script.clone()).expect("one leaf is a tree");
        let spend = tree.finalize(&Secp256k1::new(), keypair().x_only_public_key().0).expect("the tree is whole");
        Self { script, spend }
    }

    fn locked(&self) -> ScriptBuf {
        ScriptBuf::new_p2tr_tweaked(self.spend.output_key())
    }

    /// The witness that spends it: the items, the script, its control block.
    fn witness(&self, items: impl IntoIterator<Item = Vec<u8>>) -> Witness {
        let mut witness: Witness = items.into_iter().collect::<Vec<_>>().into();
        let control = self.spend.control_block(&(self.script.clone(), LeafVersion::TapScript));
        witness.push(self.script.as_bytes());
        witness.push(control.expect("the leaf is in the tree").serialize());
        witness
    }
}

/// A block with one input that spends this leaf.
fn spend_leaf(script: ScriptBuf, items: impl IntoIterator<Item = Vec<u8>>) -> WorstBlock {
    let (mut making, leaf) = (Making::on(Network::regtest()), Leaf::new(script));
    let input = making.input(&leaf.locked(), ScriptBuf::new(), leaf.witness(items));
    making.transaction(vec![input], vec![output_of(0)]);
    making.block()
}

/// 444 inputs with 9 multisigs of 1 signature and 20 keys, of which none fits.
pub(super) fn p2wsh_multisigs() -> WorstBlock {
    // Well-formed, with numbers of full length, so that nothing is cheap on the curve.
    let signature = [&[0x30, 0x44, 2, 0x20][..], &[0x55; 32], &[2, 0x20], &[0x66; 32], &[1]].concat();
    let signature: [u8; 71] = signature.try_into().expect("the parts are that long");
    let multisig = |builder: Builder| {
        let builder = builder.push_int(0).push_slice(signature).push_int(1);
        let keys = (0..20).fold(builder, |builder, _| builder.push_slice(key()));
        keys.push_int(20).push_opcode(OP_CHECKMULTISIG).push_opcode(OP_DROP)
    };
    let script = (0..9).fold(Builder::new(), |builder, _| multisig(builder)).push_int(1).into_script();
    let (mut making, locked) = (Making::on(Network::regtest()), script.to_p2wsh());
    let witness = Witness::from_slice(&[script.as_bytes()]);
    let input = (0..444).map(|_| making.input(&locked, ScriptBuf::new(), witness.clone())).collect();
    making.transaction(input, vec![output_of(0)]);
    making.block()
}

/// A tapscript that checks one signature over and over; an annex gives it the budget for it.
fn checks(count: usize, output_bytes: usize, hash_type: TapSighashType) -> WorstBlock {
    let check = |builder: Builder| builder.push_opcode(OP_2DUP).push_opcode(OP_CHECKSIGVERIFY);
    let script = (0..count).fold(Builder::new(), |builder, _| check(builder)).push_opcode(OP_DROP).into_script();
    let (mut making, leaf, output) = (Making::on(Network::regtest()), Leaf::new(script), output_of(output_bytes));
    let (previous_output, spent) = making.coin(leaf.locked());
    let input = |witness| TxIn { previous_output, script_sig: ScriptBuf::new(), sequence: Sequence::MAX, witness };
    let unsigned = transaction(vec![input(Witness::new())], vec![output.clone()]);
    let annex = [&[0x50][..], &vec![0; WEIGHT - FRAME - 4 * output_bytes - leaf.script.len()]].concat();
    let hash = SighashCache::new(&unsigned)
        .taproot_signature_hash(
            0,
            &Prevouts::All(&[spent]),
            Some(Annex::new(&annex).expect("it begins as an annex does")),
            Some((TapLeafHash::from_script(&leaf.script, LeafVersion::TapScript), u32::MAX)),
            hash_type,
        )
        .expect("there is one input and its output");
    let pair = keypair();
    let signature = Secp256k1::new().sign_schnorr_no_aux_rand(&Message::from_digest(hash.to_byte_array()), &pair);
    let mut bytes = signature.as_ref().to_vec();
    if hash_type != TapSighashType::Default {
        bytes.push(hash_type as u8);
    }
    let mut witness = leaf.witness([bytes, pair.x_only_public_key().0.serialize().to_vec()]);
    witness.push(annex);
    making.transaction(vec![input(witness)], vec![output]);
    making.block()
}

/// 50 weight units of witness pay for each check.
pub(super) fn tapscript_budget() -> WorstBlock {
    checks(79_900, 0, TapSighashType::Default)
}

/// SINGLE covers the output of the input's own place, which may be large.
pub(super) fn tapscript_single_output() -> WorstBlock {
    checks(40_000, 450_000, TapSighashType::Single)
}

/// RIPEMD160 of the largest item, three for seven bytes of script.
pub(super) fn hashing_script() -> WorstBlock {
    let hash = |builder: Builder| builder.push_opcode(OP_RIPEMD160).push_opcode(OP_DROP);
    let three = |builder: Builder| (0..3).fold(builder.push_opcode(OP_3DUP), |builder, _| hash(builder));
    let rounds = (WEIGHT - FRAME - 3 * 523) / 7;
    let script = (0..rounds).fold(Builder::new(), |builder, _| three(builder)).push_opcode(OP_2DROP).into_script();
    spend_leaf(script, vec![ITEM.to_vec(); 3])
}

/// The lowest of 998 items is moved to the top, again and again.
pub(super) fn rolling_script() -> WorstBlock {
    const ITEMS: usize = 998;
    let roll = |builder: Builder| builder.push_int(997).push_opcode(OP_ROLL);
    let rolls = (WEIGHT - FRAME - ITEMS * 523 - ITEMS / 2) / 4;
    let script = (0..rolls).fold(Builder::new(), |builder, _| roll(builder));
    let script = (0..ITEMS / 2 - 1).fold(script, |builder, _| builder.push_opcode(OP_2DROP)).push_opcode(OP_DROP);
    spend_leaf(script.into_script(), vec![ITEM.to_vec(); ITEMS])
}

/// Only a script that succeeds whatever it is given may be given more than 1,000 items.
pub(super) fn many_items() -> WorstBlock {
    spend_leaf(ScriptBuf::from_bytes(vec![0x50]), vec![Vec::new(); 3_900_000])
}
