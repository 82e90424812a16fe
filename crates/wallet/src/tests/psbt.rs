//! Payments whose signatures come from elsewhere.

use mycoin_primitives::bitcoin;
use mycoin_primitives::bitcoin::EcdsaSighashType;
use mycoin_primitives::bitcoin::bip32::Xpriv;
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::bitcoin::{NetworkKind, TapSighashType};
use proptest::prelude::*;

use super::keys::abandon;
use super::*;
use crate::{
    Draft, ExtendedKey, OutputRole, Psbt, PsbtError, PsbtWarning, RsaKey, ScriptKind, WalletKeys, cosigner_key,
};

/// A wallet that was never told of any chain, as on a computer that is never online.
struct Offline {
    wallet: Wallet,
    _tmp: tempfile::TempDir,
}

fn offline(keys: &WalletKeys, network: &Network) -> Offline {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let wallet = folder(tmp.path(), network).create_from_keys(&name("cold"), keys, &password()).expect("a free name");
    Offline { wallet, _tmp: tmp }
}

fn from_words(scripts: ScriptKind, network: &Network) -> WalletKeys {
    WalletKeys::from_words(&abandon(), &Passphrase::none(), scripts, 0, network).expect("derivable")
}

/// The same account without its private key.
fn watching(keys: &WalletKeys, network: &Network) -> WalletKeys {
    let crate::keyring::PublicKeys::Words { external, internal } = &keys.public else {
        let crate::keyring::PublicKeys::Descriptors { external, internal, .. } = &keys.public else {
            panic!("words give descriptors")
        };
        let text = [Some(external.as_str()), internal.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("\n");
        return WalletKeys::from_descriptors(&text, network).expect("our own descriptors");
    };
    WalletKeys::from_descriptors(&format!("{external}\n{internal}"), network).expect("our own descriptors")
}

/// A wallet with two coins, and a payment of one and a half.
fn funded(keys: &WalletKeys, network: &Network) -> (Scene, Draft) {
    let mut scene = Scene::with_keys(keys, network);
    scene.receive(COIN, Some(1));
    scene.receive(COIN + 7, Some(1));
    scene.sync_to(2).expect("nothing wrong");
    let draft = scene.wallet.prepare(&scene.request(COIN + COIN / 2, 2)).expect("enough coins");
    assert_eq!(draft.unsigned().input.len(), 2);
    (scene, draft)
}

/// As it travels on a stick.
fn carried(psbt: &Psbt) -> Psbt {
    let read = Psbt::parse(psbt.to_string().as_bytes()).expect("our own text");
    assert_eq!(Psbt::parse(&psbt.to_bytes()).expect("our own bytes"), read);
    read
}

#[test]
fn what_watches_creates_and_finishes_and_what_is_offline_signs() {
    let demo = Network::demo();
    let rsa = || RsaKey::import(include_bytes!("../../tests/files/keys/pkcs8.pem"), None).expect("a key");
    let rsa_public = RsaKey::import_public(include_bytes!("../../tests/files/keys/public.pem")).expect("a key");
    let pairs = [
        {
            let keys = from_words(ScriptKind::Taproot, &demo);
            (watching(&keys, &demo), keys)
        },
        {
            let keys = from_words(ScriptKind::Segwit, &demo);
            (watching(&keys, &demo), keys)
        },
        (
            WalletKeys::from_rsa(rsa_public, &demo).expect("demo has RSA locks"),
            WalletKeys::from_rsa(rsa(), &demo).expect("demo has RSA locks"),
        ),
    ];
    for (watching, signing) in pairs {
        let (mut scene, draft) = funded(&watching, &demo);
        assert_eq!(scene.wallet.kind(), KeyKind::WatchOnly);
        let psbt = carried(&scene.wallet.to_psbt(&draft).expect("derivable"));
        assert!(matches!(scene.wallet.finalise_psbt(&psbt), Err(PsbtError::Incomplete { inputs }) if inputs == [0, 1]));

        let cold = offline(&signing, &demo);
        let review = cold.wallet.inspect_psbt(&psbt);
        assert_eq!((review.fee, review.vsize), (Some(draft.review().fee), draft.review().vsize));
        assert_eq!(review.warnings, []);
        assert!(review.inputs.iter().all(|input| input.ours && input.signed_by.is_empty() && !input.complete));
        let sent = i64::try_from(draft.review().total.to_sat()).expect("small");
        assert_eq!(review.balance_change, -sent);
        let mut roles: Vec<OutputRole> = review.outputs.iter().map(|output| output.role).collect();
        roles.sort_by_key(|role| *role != OutputRole::Payment);
        assert_eq!(roles, [OutputRole::Payment, OutputRole::Change]);

        let wrong = Password::new("wrong").expect("not empty");
        let refused = cold.wallet.sign_psbt(&psbt, &wrong);
        assert!(matches!(refused, Err(PsbtError::Wallet(WalletError::WrongPassword))));
        let signed = cold.wallet.sign_psbt(&psbt, &password()).expect("right password");
        assert_eq!((signed.new_signatures, signed.complete), (2, true));
        let again = cold.wallet.sign_psbt(&signed.psbt, &password()).expect("right password");
        assert_eq!((again.new_signatures, again.complete), (0, true));

        let signed = carried(&signed.psbt);
        let review = scene.wallet.inspect_psbt(&signed);
        assert!(review.complete && review.inputs.iter().all(|input| input.complete && input.signed_by.len() == 1));
        let tx = scene.wallet.finalise_psbt(&signed).expect("all signatures are there");
        scene.check_signatures(&tx);
        assert_eq!(tx.compute_txid(), draft.unsigned().compute_txid());
        scene.wallet.note_sent(&tx).expect("written");
        let _ = scene.reopen();
    }
}

#[test]
fn a_payment_of_many_coins_is_signed_and_finished() {
    let demo = Network::demo();
    let keys = from_words(ScriptKind::Segwit, &demo);
    let mut scene = Scene::with_keys(&keys, &demo);
    for coin in 0..150 {
        scene.receive(COIN + coin, Some(1));
    }
    scene.sync_to(2).expect("nothing wrong");
    let draft = scene.wallet.prepare(&scene.request(149 * COIN, 2)).expect("enough coins");
    assert_eq!(draft.unsigned().input.len(), 150);
    let psbt = scene.wallet.to_psbt(&draft).expect("derivable");
    let signed = scene.wallet.sign_psbt(&psbt, &password()).expect("right password");
    assert_eq!((signed.new_signatures, signed.complete), (150, true));
    assert!(scene.wallet.inspect_psbt(&signed.psbt).complete);
    let tx = scene.wallet.finalise_psbt(&signed.psbt).expect("all signatures are there");
    scene.check_signatures(&tx);
}

/// Everything that a stock signer asks for is there: the library's own signing finds its keys, and what they sign holds.
#[test]
fn a_stock_signer_signs_our_psbts() {
    let demo = Network::demo();
    let seed = abandon().seed(&Passphrase::none()).expect("a seed");
    let master = Xpriv::new_master(NetworkKind::Main, seed.as_slice()).expect("a key");
    for scripts in [ScriptKind::Taproot, ScriptKind::Segwit] {
        let (mut scene, draft) = funded(&from_words(scripts, &demo), &demo);
        let psbt = scene.wallet.to_psbt(&draft).expect("derivable");
        let mut stock = bitcoin::Psbt::deserialize(&psbt.to_bytes()).expect("our own bytes");
        for input in &stock.inputs {
            assert!(input.witness_utxo.is_some());
            assert_eq!(input.non_witness_utxo.is_some(), scripts == ScriptKind::Segwit);
        }
        let change = stock.outputs.iter().filter(|output| {
            !output.bip32_derivation.is_empty()
                || (!output.tap_key_origins.is_empty() && output.tap_internal_key.is_some())
        });
        assert_eq!(change.count(), 1, "the change tells its keys too");
        stock.sign(&master, &Secp256k1::new()).expect("every input is theirs");
        let signed = Psbt::parse(&stock.serialize()).expect("stock bytes");
        let tx = scene.wallet.finalise_psbt(&signed).expect("all signatures are there");
        scene.check_signatures(&tx);
    }
}

#[test]
fn cosigners_sign_apart_and_their_signatures_are_combined() {
    let demo = Network::demo();
    let none = Passphrase::none();
    let words: Vec<RecoveryWords> =
        [1, 2, 3].iter().map(|byte| RecoveryWords::from_entropy(&[*byte; 16]).expect("a good length")).collect();
    let keys: Vec<ExtendedKey> =
        words.iter().map(|words| cosigner_key(words, &none, 0, &demo).expect("derivable")).collect();
    let member = |at: usize| WalletKeys::multisig(2, &keys, Some((&words[at], &none, 0)), &demo).expect("a member");
    let (mut scene, draft) = funded(&member(0), &demo);
    let others = [offline(&member(1), &demo), offline(&member(2), &demo)];
    let psbt = carried(&scene.wallet.to_psbt(&draft).expect("derivable"));
    assert_eq!(psbt.0.xpub.len(), 3);
    assert!(matches!(scene.wallet.sign(&draft, &password()), Err(PaymentError::NeedsOthers)));

    let mine = scene.wallet.sign_psbt(&psbt, &password()).expect("right password");
    assert_eq!((mine.new_signatures, mine.complete), (2, false));
    let review = others[0].wallet.inspect_psbt(&mine.psbt);
    for input in &review.inputs {
        assert_eq!((input.required, input.signed_by.len(), input.unsigned_by.len()), (Some(2), 1, 2));
    }
    assert!(!review.complete && review.warnings.is_empty(), "{:?}", review.warnings);
    assert!(matches!(scene.wallet.finalise_psbt(&mine.psbt), Err(PsbtError::Incomplete { .. })));

    // Each from the unsigned one, then together; and one after the other.
    let theirs = others[1].wallet.sign_psbt(&psbt, &password()).expect("right password");
    let mut together = carried(&mine.psbt);
    together.combine(carried(&theirs.psbt)).expect("the same payment");
    let after = others[0].wallet.sign_psbt(&mine.psbt, &password()).expect("right password");
    assert!(after.complete);
    for finished in [&together, &after.psbt] {
        assert!(others[0].wallet.inspect_psbt(finished).complete);
        let tx = scene.wallet.finalise_psbt(finished).expect("two of three");
        scene.check_signatures(&tx);
        assert!(tx.vsize() as u64 <= draft.review().vsize);
    }

    // A signature over another payment is told apart from one that is missing.
    let mut bent = together.clone();
    let input = &mut bent.0.inputs[0];
    let (key, signature) = input.partial_sigs.iter().next().map(|(key, signature)| (*key, *signature)).expect("two");
    let wrong = bent.0.inputs[1].partial_sigs.values().next().copied().expect("two");
    assert_ne!(signature, wrong);
    bent.0.inputs[0].partial_sigs.insert(key, wrong);
    assert!(matches!(scene.wallet.finalise_psbt(&bent), Err(PsbtError::SignatureRefused { input: 0, .. })));
    assert!(scene.wallet.inspect_psbt(&bent).warnings.contains(&PsbtWarning::WrongSignature { input: 0 }));
}

#[test]
fn a_coin_far_beyond_the_gap_is_signed_where_its_derivation_proves_it() {
    let demo = Network::demo();
    let keys = from_words(ScriptKind::Segwit, &demo);
    let (mut scene, _) = funded(&watching(&keys, &demo), &demo);
    let far = crate::keyring::Origin { keychain: crate::keyring::Keychain::External, index: 5_000 };
    scene.wallet.reveal(far).expect("written");
    let script = scene.wallet.keyring.script_at(far).expect("derivable");
    scene.tell(payment(OutPoint { txid: Txid::all_zeros(), vout: 3 }, script, 5 * COIN), Some(2));
    scene.sync_to(2).expect("nothing wrong");
    let draft = scene.wallet.prepare(&scene.request(4 * COIN, 2)).expect("enough coins");
    let psbt = scene.wallet.to_psbt(&draft).expect("derivable");
    let cold = offline(&keys, &demo);
    let signed = cold.wallet.sign_psbt(&psbt, &password()).expect("right password");
    assert!(signed.complete);
    // Without the derivation nobody knows whose it is.
    let mut silent = psbt;
    for input in &mut silent.0.inputs {
        input.bip32_derivation.clear();
    }
    assert!(matches!(cold.wallet.sign_psbt(&silent, &password()), Err(PsbtError::NothingToSign)));
    let warnings = cold.wallet.inspect_psbt(&silent).warnings;
    assert!(warnings.contains(&PsbtWarning::NothingIsOurs), "{warnings:?}");
}

#[test]
fn what_is_dangerous_is_refused_before_anything_is_signed() {
    let demo = Network::demo();
    let (scene, draft) = funded(&from_words(ScriptKind::Segwit, &demo), &demo);
    let cold = offline(&from_words(ScriptKind::Segwit, &demo), &demo);
    let good = scene.wallet.to_psbt(&draft).expect("derivable");
    let refuse = |change: &dyn Fn(&mut bitcoin::Psbt)| {
        let mut bent = good.clone();
        change(&mut bent.0);
        let review = cold.wallet.inspect_psbt(&bent);
        (cold.wallet.sign_psbt(&bent, &password()).expect_err("dangerous"), review.warnings)
    };

    // Signatures that leave room for changes.
    for kind in [EcdsaSighashType::None, EcdsaSighashType::Single, EcdsaSighashType::AllPlusAnyoneCanPay] {
        let (error, warnings) = refuse(&|psbt| psbt.inputs[1].sighash_type = Some(kind.into()));
        assert!(matches!(error, PsbtError::SighashRefused { input: 1 }));
        assert!(warnings.contains(&PsbtWarning::Sighash { input: 1 }));
    }
    // CVE-2020-14199: an amount that nothing proves.
    let (error, warnings) = refuse(&|psbt| psbt.inputs[0].non_witness_utxo = None);
    assert!(matches!(error, PsbtError::AmountUnproven { input: 0 }));
    assert!(warnings.contains(&PsbtWarning::FeeUnproven));
    // An amount that the earlier transaction belies.
    let (error, warnings) = refuse(&|psbt| {
        if let Some(output) = &mut psbt.inputs[0].witness_utxo {
            output.value = Amount::from_sat(COIN / 2);
        }
    });
    assert!(matches!(error, PsbtError::CoinContradicted { input: 0 }));
    assert!(warnings.contains(&PsbtWarning::CoinContradicted { input: 0 }));
    // Another transaction in its place.
    let (error, _) = refuse(&|psbt| psbt.inputs[0].non_witness_utxo = psbt.inputs[1].non_witness_utxo.clone());
    assert!(matches!(error, PsbtError::CoinContradicted { input: 0 }));
    // No word of a coin.
    let (error, warnings) = refuse(&|psbt| {
        psbt.inputs[1].non_witness_utxo = None;
        psbt.inputs[1].witness_utxo = None;
    });
    assert!(matches!(error, PsbtError::CoinMissing { input: 1 }));
    assert!(warnings.contains(&PsbtWarning::FeeUnknown));
    // More goes out than comes in.
    let (error, warnings) = refuse(&|psbt| psbt.unsigned_tx.output[0].value = Amount::from_sat(9 * COIN));
    assert!(matches!(error, PsbtError::PaysTooMuch));
    assert!(warnings.contains(&PsbtWarning::PaysTooMuch));
    // All of it goes to the miner.
    let mut bent = good.clone();
    bent.0.unsigned_tx.output.truncate(1);
    bent.0.outputs.truncate(1);
    bent.0.unsigned_tx.output[0] = TxOut { value: Amount::from_sat(10_000), script_pubkey: stranger() };
    let review = cold.wallet.inspect_psbt(&bent);
    assert!(review.warnings.iter().any(|warning| matches!(warning, PsbtWarning::HighFee { percent: 1_000.. })));
}

#[test]
fn change_is_believed_only_where_our_keys_give_it() {
    let demo = Network::demo();
    for scripts in [ScriptKind::Taproot, ScriptKind::Segwit] {
        let (scene, draft) = funded(&from_words(scripts, &demo), &demo);
        let good = scene.wallet.to_psbt(&draft).expect("derivable");
        let at = scene.wallet.inspect_psbt(&good).outputs.iter().position(|output| output.role == OutputRole::Change);
        let at = at.expect("there is change");
        // The thief's script under our change's derivation.
        let mut bent = good.clone();
        bent.0.unsigned_tx.output[at].script_pubkey = ScriptBuf::from_bytes([&[0, 20][..], &[4; 20]].concat());
        let review = scene.wallet.inspect_psbt(&bent);
        assert_eq!(review.outputs[at].role, OutputRole::Payment);
        assert!(review.warnings.contains(&PsbtWarning::FalseChange { output: at }));
        // Without any claim it is a payment like others.
        bent.0.outputs[at] = bitcoin::psbt::Output::default();
        assert_eq!(scene.wallet.inspect_psbt(&bent).warnings, []);
    }
}

#[test]
fn inputs_of_others_are_told_and_left_unsigned() {
    let demo = Network::demo();
    let (scene, draft) = funded(&from_words(ScriptKind::Taproot, &demo), &demo);
    let mut psbt = scene.wallet.to_psbt(&draft).expect("derivable");
    let other_words = RecoveryWords::from_entropy(&[8; 16]).expect("a good length");
    let other = WalletKeys::from_words(&other_words, &Passphrase::none(), ScriptKind::Taproot, 0, &demo);
    let other = offline(&other.expect("derivable"), &demo);
    let script = other.wallet.keyring.script_at(crate::keyring::Origin::FIRST).expect("derivable");
    let outpoint = OutPoint { txid: Txid::all_zeros(), vout: 1 };
    psbt.0.unsigned_tx.input.push(TxIn { previous_output: outpoint, ..TxIn::default() });
    let coin = TxOut { value: Amount::from_sat(COIN), script_pubkey: script };
    psbt.0.inputs.push(bitcoin::psbt::Input { witness_utxo: Some(coin.clone()), ..Default::default() });
    let review = scene.wallet.inspect_psbt(&psbt);
    assert!(review.warnings.contains(&PsbtWarning::ForeignInputs { count: 1 }));
    assert_eq!(review.inputs.iter().map(|input| input.ours).collect::<Vec<_>>(), [true, true, false]);

    let ours = scene.wallet.sign_psbt(&psbt, &password()).expect("right password");
    assert_eq!((ours.new_signatures, ours.complete), (2, false));
    assert!(ours.psbt.0.inputs[2].tap_key_sig.is_none());
    let both = other.wallet.sign_psbt(&ours.psbt, &password()).expect("right password");
    assert_eq!((both.new_signatures, both.complete), (1, true));
    // An explicit DEFAULT is what taproot signs anyway.
    let mut explicit = psbt.clone();
    for input in &mut explicit.0.inputs {
        input.sighash_type = Some(TapSighashType::Default.into());
    }
    let ours = scene.wallet.sign_psbt(&explicit, &password()).expect("right password");
    assert_eq!(ours.new_signatures, 2);
}

#[test]
fn what_is_no_psbt_of_version_0_is_named() {
    let demo = Network::demo();
    let (scene, draft) = funded(&from_words(ScriptKind::Taproot, &demo), &demo);
    let psbt = scene.wallet.to_psbt(&draft).expect("derivable");
    let text = psbt.to_string();
    let wrapped = format!("  {}\n{}\n", &text[..60], &text[60..]);
    assert_eq!(Psbt::parse(wrapped.as_bytes()).expect("white space aside"), psbt);
    let hex: String = psbt.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(Psbt::parse(hex.as_bytes()).expect("hex"), psbt);
    for nonsense in ["", "hello", "cHNi", "00"] {
        assert!(matches!(Psbt::parse(nonsense.as_bytes()), Err(PsbtError::NotAPsbt)), "{nonsense}");
    }
    assert!(matches!(Psbt::parse(&text.as_bytes()[..text.len() - 8]), Err(PsbtError::Damaged)));
    let bytes = psbt.to_bytes();
    assert!(matches!(Psbt::parse(&bytes[..bytes.len() - 1]), Err(PsbtError::Damaged)));
    // BIP370: transaction version, input and output counts, and version 2, but no transaction.
    let version_2 =
        [&b"psbt\xff"[..], &[1, 2, 4, 2, 0, 0, 0], &[1, 4, 1, 0], &[1, 5, 1, 0], &[1, 0xfb, 4, 2, 0, 0, 0], &[0]]
            .concat();
    assert!(matches!(Psbt::parse(&version_2), Err(PsbtError::OtherVersion)));
    let other = scene.wallet.prepare(&scene.request(COIN, 3)).expect("enough coins");
    let other = scene.wallet.to_psbt(&other).expect("derivable");
    assert!(matches!(psbt.clone().combine(other), Err(PsbtError::OtherPayment)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn bent_psbts_are_read_or_refused_and_never_signed_for_another_payment(
        places in prop::collection::vec((0usize..4_000, any::<u8>()), 1..4),
    ) {
        // One scene for all cases: making it takes longer than the case.
        static SCENE: std::sync::OnceLock<(std::sync::Mutex<Offline>, Psbt)> = std::sync::OnceLock::new();
        let (cold, good) = SCENE.get_or_init(|| {
            let demo = Network::demo();
            let keys = from_words(ScriptKind::Segwit, &demo);
            let (scene, draft) = funded(&keys, &demo);
            (offline(&keys, &demo).into(), scene.wallet.to_psbt(&draft).expect("derivable"))
        });
        let cold = cold.lock().expect("no case panics while it holds the wallet");
        let mut bytes = good.to_bytes();
        for (place, byte) in places {
            let length = bytes.len();
            bytes[place % length] ^= byte;
        }
        if let Ok(bent) = Psbt::parse(&bytes) {
            let review = cold.wallet.inspect_psbt(&bent);
            if let Ok(signed) = cold.wallet.sign_psbt(&bent, &password()) {
                prop_assert!(review.fee.is_some(), "nothing is signed whose fee is unknown");
                prop_assert_eq!(signed.psbt.unsigned(), bent.unsigned());
            }
        }
    }
}
