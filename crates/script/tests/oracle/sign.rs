//! Keys, signature hashes and signatures, right and wrong. Nothing here comes from the crate under test.

use std::sync::LazyLock;

use mycoin_primitives::bitcoin::consensus::encode::{VarInt, serialize};
use mycoin_primitives::bitcoin::opcodes::all::OP_CODESEPARATOR;
use mycoin_primitives::bitcoin::secp256k1::{
    All, Keypair, Message, Parity, PublicKey, Scalar, Secp256k1, SecretKey, XOnlyPublicKey,
};
use mycoin_primitives::bitcoin::sighash::{Annex, Prevouts, SighashCache, TapSighashType};
use mycoin_primitives::bitcoin::taproot::TapLeafHash;
use mycoin_primitives::hashes::{Hash, HashEngine, sha256, sha256d};
use mycoin_primitives::{Script, Transaction, TxOut};

use crate::code;
use crate::dice::Dice;

pub(crate) static SECP: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// The few keys that everything is signed with: making keys is slow, and a verdict does not depend on which they are.
pub(crate) static KEYS: LazyLock<Vec<Keypair>> = LazyLock::new(|| {
    let secret = |number: u8| sha256::Hash::hash(&[number]).to_byte_array();
    (0..24).map(|number| Keypair::from_seckey_slice(&SECP, &secret(number)).expect("a hash is a secret key")).collect()
});

/// Signature hash types of ECDSA: the six defined ones, and undefined ones, which consensus takes before taproot.
pub(crate) fn ecdsa_hash_type(dice: &mut Dice) -> u8 {
    let defined = dice.pick(&[0x01, 0x01, 0x02, 0x03, 0x81, 0x82, 0x83]);
    if dice.one_in(8) {
        dice.pick(&[0x00, 0x04, 0x1f, 0x20, 0x22, 0x41, 0x43, 0x63, 0x80, 0xa3, 0xc2, 0xff])
    } else {
        defined
    }
}

/// Signature hash types of taproot: mostly defined ones; others make the signature invalid.
pub(crate) fn schnorr_hash_type(dice: &mut Dice) -> u8 {
    let defined = dice.pick(&[0x00, 0x00, 0x01, 0x02, 0x03, 0x81, 0x82, 0x83]);
    if dice.one_in(24) { dice.pick(&[0x04, 0x1f, 0x41, 0x80, 0x84, 0xff]) } else { defined }
}

/// What a legacy signature signs. Source: Bitcoin Core `SignatureHash`, interpreter.cpp.
pub(crate) fn legacy_hash(tx: &Transaction, input: usize, script_code: &[u8], hash_type: u8) -> [u8; 32] {
    let script_code = code::without_operation(script_code, OP_CODESEPARATOR.to_u8());
    SighashCache::new(tx)
        .legacy_signature_hash(input, Script::from_bytes(&script_code), hash_type.into())
        .expect("the transaction has this input")
        .to_byte_array()
}

/// What a version 0 witness signs, for any hash type. Source: BIP143.
pub(crate) fn v0_hash(tx: &Transaction, spent: &TxOut, input: usize, script_code: &[u8], hash_type: u8) -> [u8; 32] {
    let (base, alone) = (hash_type & 0x1f, hash_type & 0x80 != 0);
    let all = |parts: Vec<Vec<u8>>| sha256d::Hash::hash(&parts.concat()).to_byte_array();
    let prevouts = || all(tx.input.iter().map(|input| serialize(&input.previous_output)).collect());
    let sequences = || all(tx.input.iter().map(|input| serialize(&input.sequence)).collect());
    let outputs = match base {
        2 => [0; 32],
        3 => tx.output.get(input).map_or([0; 32], |output| all(vec![serialize(output)])),
        _ => all(tx.output.iter().map(serialize).collect()),
    };
    let own = &tx.input[input];
    all(vec![
        serialize(&tx.version),
        if alone { [0; 32] } else { prevouts() }.to_vec(),
        if alone || base == 2 || base == 3 { [0; 32] } else { sequences() }.to_vec(),
        serialize(&own.previous_output),
        serialize(Script::from_bytes(script_code)),
        serialize(&spent.value),
        serialize(&own.sequence),
        outputs.to_vec(),
        serialize(&tx.lock_time),
        u32::from(hash_type).to_le_bytes().to_vec(),
    ])
}

/// What a taproot signature signs; zeros where the hash type allows no signature. Source: BIP341, BIP342.
pub(crate) fn taproot_hash(
    tx: &Transaction,
    spent: &[TxOut],
    input: usize,
    leaf: Option<([u8; 32], u32)>,
    annex: Option<&[u8]>,
    hash_type: u8,
) -> [u8; 32] {
    let Ok(hash_type) = TapSighashType::from_consensus_u8(hash_type) else { return [0; 32] };
    let leaf = leaf.map(|(hash, separator)| (TapLeafHash::from_byte_array(hash), separator));
    let annex = annex.map(|annex| Annex::new(annex).expect("an annex has its prefix"));
    SighashCache::new(tx)
        .taproot_signature_hash(input, &Prevouts::All(spent), annex, leaf, hash_type)
        .map_or([0; 32], Hash::to_byte_array)
}

/// A hash with a tag. Source: BIP340.
pub(crate) fn tagged_hash(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let tag = sha256::Hash::hash(tag.as_bytes()).to_byte_array();
    let mut engine = sha256::Hash::engine();
    [&[tag.as_slice(), tag.as_slice()], parts].concat().iter().for_each(|part| engine.input(part));
    sha256::Hash::from_engine(engine).to_byte_array()
}

/// The hash of a leaf. Source: BIP341.
pub(crate) fn leaf_hash(version: u8, script: &[u8]) -> [u8; 32] {
    tagged_hash("TapLeaf", &[&[version], &serialize(&VarInt::from(script.len())), script])
}

/// The root that a leaf and the hashes beside its way up lead to. Source: BIP341.
pub(crate) fn merkle_root(leaf: [u8; 32], path: &[[u8; 32]]) -> [u8; 32] {
    path.iter().fold(leaf, |node, sibling| {
        let (low, high) = if node < *sibling { (node, *sibling) } else { (*sibling, node) };
        tagged_hash("TapBranch", &[&low, &high])
    })
}

/// The tweak that binds an internal key to a root. Source: BIP341.
pub(crate) fn tap_tweak(internal: &XOnlyPublicKey, root: Option<[u8; 32]>) -> Scalar {
    let root = root.as_ref().map_or(&[][..], |root| root);
    Scalar::from_be_bytes(tagged_hash("TapTweak", &[&internal.serialize(), root])).expect("a hash is below the order")
}

/// The key that stands in the output. Source: BIP341.
pub(crate) fn output_key(internal: &XOnlyPublicKey, root: Option<[u8; 32]>) -> (XOnlyPublicKey, Parity) {
    internal.add_tweak(&SECP, &tap_tweak(internal, root)).expect("the sum of a key and a hash is a key")
}

/// A Schnorr signature, with its hash type behind it where that is not the default.
pub(crate) fn schnorr(key: &Keypair, hash: [u8; 32], hash_type: u8) -> Vec<u8> {
    let mut signature = SECP.sign_schnorr_no_aux_rand(&Message::from_digest(hash), key).serialize().to_vec();
    if hash_type != 0 {
        signature.push(hash_type);
    }
    signature
}

/// An ECDSA signature in strict DER with its hash type.
pub(crate) fn ecdsa(key: &Keypair, hash: [u8; 32], hash_type: u8) -> Vec<u8> {
    let mut signature = SECP.sign_ecdsa(&Message::from_digest(hash), &key.secret_key()).serialize_der().to_vec();
    signature.push(hash_type);
    signature
}

/// The two numbers of a signature that [`ecdsa`] made, without their leading zeros, and its hash type.
pub(crate) fn ecdsa_parts(signature: &[u8]) -> Option<(Vec<u8>, Vec<u8>, u8)> {
    let (hash_type, der) = signature.split_last()?;
    let [0x30, _, 0x02, rest @ ..] = der else { return None };
    let (length, rest) = rest.split_first()?;
    let (r, rest) = rest.split_at_checked(usize::from(*length))?;
    let [0x02, length, s @ ..] = rest else { return None };
    let bare = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    (s.len() == usize::from(*length)).then(|| (bare(r), bare(s), *hash_type))
}

/// The same signature in a form that is right for some rules and wrong for others.
pub(crate) fn disfigure_ecdsa(dice: &mut Dice, signature: &[u8]) -> Vec<u8> {
    let Some((r, s, hash_type)) = ecdsa_parts(signature) else { return dice.bytes(9) };
    let signed = |number: &[u8]| match number.first() {
        None => vec![0],
        Some(first) if first & 0x80 != 0 => [&[0], number].concat(),
        Some(_) => number.to_vec(),
    };
    let (mut r, mut s) = (signed(&r), signed(&s));
    let form = dice.below(16);
    match form {
        0 => s = signed(&negated(&s)),
        1 => r.insert(0, 0),
        2 => s.insert(0, 0),
        3 => r = r.into_iter().skip_while(|byte| *byte == 0).collect(),
        4 => s = signed(&negated(&s)).into_iter().skip_while(|byte| *byte == 0).collect(),
        5 => r = vec![0],
        6 => s = Vec::new(),
        7 => r = signed(&[0xff; 32]),
        8 => s = [vec![0x7f], dice.bytes(32)].concat(),
        _ => {}
    }
    let mut body = [&[0x02, r.len() as u8], r.as_slice(), &[0x02, s.len() as u8], &s].concat();
    match form {
        9 => body.extend(dice.bytes(1)),
        10 => body[0] = 0x03,
        11 => body[1] = body[1].wrapping_add(1),
        12 => body.splice(1..2, [0x81, r.len() as u8]).for_each(drop),
        _ => {}
    }
    let length = body.len() as u8;
    let mut der = match form {
        13 => vec![0x30, 0x81, length],
        14 => vec![0x30, length.wrapping_add(1)],
        15 => vec![0x31, length],
        _ => vec![0x30, length],
    };
    der.extend(body);
    der.push(hash_type);
    der
}

/// The other value of S that the same signature has.
fn negated(s: &[u8]) -> Vec<u8> {
    let bare: Vec<u8> = s.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut bytes = [0; 32];
    bytes[32 - bare.len().min(32)..].copy_from_slice(&bare[..bare.len().min(32)]);
    SecretKey::from_slice(&bytes).map_or(bare, |s| s.negate().secret_bytes().to_vec())
}

/// A public key as a script holds it: mostly compressed, sometimes long or hybrid, rarely broken.
pub(crate) fn key_form(dice: &mut Dice, key: &Keypair) -> Vec<u8> {
    let key: PublicKey = key.public_key();
    let mut long = key.serialize_uncompressed().to_vec();
    let odd = long[64] & 1;
    match dice.below(40) {
        0..=5 => long,
        6..=8 => {
            long[0] = 0x06 | odd;
            long
        }
        9 => {
            long[0] = 0x07 ^ odd;
            long
        }
        10 => broken_key(dice, &key),
        _ => key.serialize().to_vec(),
    }
}

fn broken_key(dice: &mut Dice, key: &PublicKey) -> Vec<u8> {
    let mut short = key.serialize().to_vec();
    match dice.below(5) {
        0 => short[0] = 0x05,
        1 => short.truncate(32),
        2 => short.push(0),
        3 => short = [vec![0x02], vec![0xff; 32]].concat(),
        _ => short.clear(),
    }
    short
}
