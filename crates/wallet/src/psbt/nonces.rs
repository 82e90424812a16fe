//! A nonce that comes twice gives a key away. 100,000 signatures by the code that signs every payment have none.

use std::collections::{BTreeMap, HashSet};

use mycoin_primitives::bitcoin::bip32::{DerivationPath, Xpriv};
use mycoin_primitives::bitcoin::key::TapTweak as _;
use mycoin_primitives::bitcoin::secp256k1::{PublicKey, Secp256k1};
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::bitcoin::{self, CompressedPublicKey, NetworkKind, absolute::LockTime};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Transaction, TxIn, TxOut, Txid};

use super::sign::sign_with;

/// Payments of one hundred coins each.
const PAYMENTS: u32 = 500;
const COINS: u32 = 100;

/// Payment number `number`, spending coins of the one key, in a PSBT that says so.
fn payment(number: u32, master: &Xpriv, taproot: bool) -> bitcoin::Psbt {
    let secp = Secp256k1::new();
    let key = PublicKey::from_secret_key(&secp, &master.private_key);
    let (x_only, _) = key.x_only_public_key();
    let script = if taproot {
        ScriptBuf::new_p2tr_tweaked(x_only.tap_tweak(&secp, None).0)
    } else {
        ScriptBuf::new_p2wpkh(&CompressedPublicKey(key).wpubkey_hash())
    };
    let coin = TxOut { value: Amount::from_sat(10_000), script_pubkey: script };
    let outpoint = |vout| OutPoint { txid: Txid::hash(&number.to_le_bytes()), vout };
    let input = (0..COINS).map(|vout| TxIn { previous_output: outpoint(vout), ..TxIn::default() }).collect();
    let tx = Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output: vec![coin.clone()] };
    let mut psbt = bitcoin::Psbt::from_unsigned_tx(tx).expect("unsigned");
    let source = (master.fingerprint(&secp), DerivationPath::master());
    for input in &mut psbt.inputs {
        input.witness_utxo = Some(coin.clone());
        if taproot {
            input.tap_internal_key = Some(x_only);
            input.tap_key_origins = BTreeMap::from([(x_only, (Vec::new(), source.clone()))]);
        } else {
            input.bip32_derivation = BTreeMap::from([(key, source.clone())]);
        }
    }
    psbt
}

/// The points that stand for the nonces of all signatures: R, or its first coordinate.
fn nonces(taproot: bool) -> Vec<[u8; 32]> {
    let master = Xpriv::new_master(NetworkKind::Main, &[7; 32]).expect("a key");
    let of_payment = |number| {
        let signed = sign_with(payment(number, &master, taproot), &master).expect("all coins are its own");
        signed.inputs.into_iter().flat_map(|input| {
            let schnorr = input.tap_key_sig.map(|signature| signature.signature.serialize());
            let ecdsa = input.partial_sigs.into_values().map(|signature| signature.signature.serialize_compact());
            let all: Vec<[u8; 64]> = schnorr.into_iter().chain(ecdsa).collect();
            all.into_iter().map(|signature| signature[..32].try_into().expect("half of 64"))
        })
    };
    (0..PAYMENTS).flat_map(of_payment).collect()
}

#[test]
fn no_nonce_comes_twice_in_a_hundred_thousand_signatures() {
    let ecdsa = std::thread::spawn(|| nonces(false));
    let mut all = nonces(true);
    all.extend(ecdsa.join().expect("signing ends"));
    assert_eq!(all.len(), 2 * (PAYMENTS * COINS) as usize);
    let distinct: HashSet<[u8; 32]> = all.iter().copied().collect();
    assert_eq!(distinct.len(), all.len());
}
