//! The BIPs' own vectors.

use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::{Amount, ScriptBuf, Transaction, TxOut};
use mycoin_script::{PrecomputedTransaction, ScriptError, ScriptFlags, signature_operation_cost, verify_input};

use crate::FLAGS;

fn output(script: &str, value: u64) -> TxOut {
    let script_pubkey = ScriptBuf::from_hex(script).expect("the vector is hex");
    TxOut { value: Amount::from_sat(value), script_pubkey }
}

/// BIP143, "Native P2WPKH".
#[test]
fn bip143_native_p2wpkh() {
    let tx: Transaction =
        deserialize_hex(include_str!("data/bip143_p2wpkh_tx.hex").trim()).expect("the vector is valid");
    let spent = vec![
        output("2103c9f4836b9a4f77fc0d81f7bcb01b7f1b35916864b9476c241ce9fc198bd25432ac", 625_000_000),
        output("00141d0f172a0ecb48aee1be1f2687d2963ae33f71a1", 600_000_000),
    ];
    let data = PrecomputedTransaction::new(&tx, spent.clone());
    for input in [0, 1] {
        assert_eq!(verify_input(&data, input, FLAGS), Ok(()), "input {input}");
        assert_eq!(verify_input(&data, input, ScriptFlags::STANDARD), Ok(()), "input {input}");
    }
    // Two P2PKH outputs at 4 each, one P2WPKH input at 1.
    assert_eq!(signature_operation_cost(&tx, &spent, FLAGS), 9);
}

/// BIP341, keyPathSpending: seven taproot inputs with every hash type, a P2WPKH and a P2PKH one.
#[test]
fn bip341_key_path_spending() {
    let tx: Transaction =
        deserialize_hex(include_str!("data/bip341_key_path_tx.hex").trim()).expect("the vector is valid");
    let spent = vec![
        output("512053a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343", 420_000_000),
        output("5120147c9c57132f6e7ecddba9800bb0c4449251c92a1e60371ee77557b6620f3ea3", 462_000_000),
        output("76a914751e76e8199196d454941c45d1b3a323f1433bd688ac", 294_000_000),
        output("5120e4d810fd50586274face62b8a807eb9719cef49c04177cc6b76a9a4251d5450e", 504_000_000),
        output("512091b64d5324723a985170e4dc5a0f84c041804f2cd12660fa5dec09fc21783605", 630_000_000),
        output("00147dd65592d0ab2fe0d0257d571abf032cd9db93dc", 378_000_000),
        output("512075169f4001aa68f15bbed28b218df1d0a62cbbcf1188c6665110c293c907b831", 672_000_000),
        output("5120712447206d7a5238acc7ff53fbe94a3b64539ad291c7cdbc490b7577e4b17df5", 546_000_000),
        output("512077e30a5522dd9f894c3f8b8bd4c4b2cf82ca7da8a3ea6a239655c39c050ab220", 588_000_000),
    ];
    let data = PrecomputedTransaction::new(&tx, spent.as_slice());
    for input in 0..9 {
        assert_eq!(verify_input(&data, input, FLAGS), Ok(()), "input {input}");
    }

    // Signatures that cover all inputs fail once another input's amount changes; those with ANYONECANPAY hold.
    let mut changed = spent;
    changed[2].value += Amount::from_sat(1);
    let data = PrecomputedTransaction::new(&tx, changed);
    for (input, hash_type) in [(0, 0x03), (1, 0x83), (3, 0x01), (4, 0x00), (6, 0x02), (7, 0x82), (8, 0x81)] {
        let expected = if hash_type & 0x80 == 0 { Err(ScriptError::SchnorrSig) } else { Ok(()) };
        assert_eq!(verify_input(&data, input, FLAGS), expected, "input {input}");
    }
}
