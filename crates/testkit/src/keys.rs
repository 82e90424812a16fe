//! Keys whose coins tests spend: taproot, P2WPKH and the RSA lock.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256};
use mycoin_primitives::bitcoin::secp256k1::{self, Keypair, Message, Secp256k1};
use mycoin_primitives::bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use mycoin_primitives::bitcoin::{CompressedPublicKey, key::TapTweak};
use mycoin_primitives::hashes::Hash;
use mycoin_primitives::{ScriptBuf, Transaction, TxOut, Witness};
use mycoin_script::{RsaHashType, rsa_lock_script, rsa_sighash};

/// A key and the kind of output that it locks.
#[derive(Debug)]
pub enum Key {
    /// A taproot output without scripts, spent by its key.
    Taproot(Keypair),
    /// A pay-to-witness-public-key-hash output.
    WitnessKeyHash(Keypair),
    /// An RSA lock.
    Rsa(Box<KeyPair>),
}

impl Key {
    /// A taproot key. The same number gives the same key.
    pub fn taproot(number: u8) -> Self {
        Self::Taproot(keypair(number))
    }

    /// A P2WPKH key. The same number gives the same key.
    pub fn witness_key_hash(number: u8) -> Self {
        Self::WitnessKeyHash(keypair(number))
    }

    /// A new RSA key of 2048 bits, another one each time.
    pub fn rsa() -> Self {
        Self::Rsa(Box::new(KeyPair::generate(KeySize::Rsa2048).expect("the library can make keys")))
    }

    /// The script of the outputs that it locks.
    pub fn script(&self) -> ScriptBuf {
        match self {
            Self::Taproot(pair) => ScriptBuf::new_p2tr(&Secp256k1::new(), pair.x_only_public_key().0, None),
            Self::WitnessKeyHash(pair) => ScriptBuf::new_p2wpkh(&CompressedPublicKey(pair.public_key()).wpubkey_hash()),
            Self::Rsa(pair) => rsa_lock_script(&spki(pair)),
        }
    }

    /// The witness that spends the input; `spent` holds the output that each input spends, in input order.
    pub fn sign(&self, tx: &Transaction, input: usize, spent: &[TxOut]) -> Witness {
        match self {
            Self::Taproot(pair) => sign_taproot(pair, tx, input, spent),
            Self::WitnessKeyHash(pair) => sign_witness_key_hash(pair, tx, input, &spent[input]),
            Self::Rsa(pair) => sign_rsa(pair, tx, input, spent),
        }
    }
}

fn keypair(number: u8) -> Keypair {
    let secret = [number.max(1); 32];
    Keypair::from_seckey_slice(&Secp256k1::new(), &secret)
        .expect("32 equal bytes above zero are a secret key, up to 254")
}

fn spki(pair: &KeyPair) -> Vec<u8> {
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a generated key can be encoded");
    der.as_ref().to_vec()
}

fn sign_taproot(pair: &Keypair, tx: &Transaction, input: usize, spent: &[TxOut]) -> Witness {
    let secp = Secp256k1::new();
    let hash = SighashCache::new(tx)
        .taproot_key_spend_signature_hash(input, &Prevouts::All(spent), TapSighashType::Default)
        .expect("there is one spent output per input");
    let tweaked = pair.tap_tweak(&secp, None).to_keypair();
    let signature = secp.sign_schnorr_no_aux_rand(&Message::from_digest(hash.to_byte_array()), &tweaked);
    Witness::from_slice(&[signature.as_ref().as_slice()])
}

fn sign_witness_key_hash(pair: &Keypair, tx: &Transaction, input: usize, spent: &TxOut) -> Witness {
    let hash = SighashCache::new(tx)
        .p2wpkh_signature_hash(input, &spent.script_pubkey, spent.value, EcdsaSighashType::All)
        .expect("the output is a P2WPKH one");
    let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest(hash.to_byte_array()), &pair.secret_key());
    Witness::p2wpkh(
        &mycoin_primitives::bitcoin::ecdsa::Signature::sighash_all(signature),
        &secp256k1::PublicKey::from_keypair(pair),
    )
}

fn sign_rsa(pair: &KeyPair, tx: &Transaction, input: usize, spent: &[TxOut]) -> Witness {
    let message = rsa_sighash(tx, input, spent, RsaHashType::Default).expect("there is one spent output per input");
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), &message, &mut signature)
        .expect("the buffer has the modulus' size");
    Witness::from_slice(&[signature, spki(pair)])
}
