//! Signed messages: BIP322's vectors, and what is told apart.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_primitives::bitcoin::Address;
use mycoin_primitives::{Network, ScriptBuf, address_of, parse_address};

use super::*;
use crate::{Password, RecoveryWords, ScriptKind, WalletFolder, WalletKeys, WalletName};

/// BIP322's key and addresses; the taproot one with its signature is of Bitcoin Core's tests of that BIP, util_tests.cpp.
const KEY: &str = "L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k";
const SEGWIT: &str = "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l";
const TAPROOT: &str = "bc1ppv609nr0vr25u07u95waq5lucwfm6tde4nydujnu8npg4q75mr5sxq8lt3";
/// Two signatures of each message, of which signers give one: with a short R and without looking for one.
const EMPTY: [&str; 2] = [
    "AkcwRAIgM2gBAQqvZX15ZiysmKmQpDrG83avLIT492QBzLnQIxYCIBaTpOaD20qRlEylyxFSeEA2ba9YOixpX8z46TSDtS40ASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=",
    "AkgwRQIhAPkJ1Q4oYS0htvyuSFHLxRQpFAY56b70UvE7Dxazen0ZAiAtZfFz1S6T6I23MWI2lK/pcNTWncuyL8UL+oMdydVgzAEhAsfxIAMZZEKUPYWI4BruhAQjzFT8FSFSajuFwrDL1Yhy",
];
const HELLO: [&str; 2] = [
    "AkcwRAIgZRfIY3p7/DoVTty6YZbWS71bc5Vct9p9Fia83eRmw2QCICK/ENGfwLtptFluMGs2KsqoNSk89pO7F29zJLUx9a/sASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=",
    "AkgwRQIhAOzyynlqt93lOKJr+wmmxIens//zPzl9tqIOua93wO6MAiBi5n5EyAcPScOjf1lAqIUIQtr3zKNeavYabHyR8eGhowEhAsfxIAMZZEKUPYWI4BruhAQjzFT8FSFSajuFwrDL1Yhy",
];
const HELLO_TAPROOT: &str =
    "AUHd69PrJQEv+oKTfZ8l+WROBHuy9HKrbFCJu7U1iK2iiEy1vMU5EfMtjc+VSHM7aU0SDbak5IUZRVno2P5mjSafAQ==";

fn script(bitcoins: &str) -> ScriptBuf {
    bitcoins.parse::<Address<_>>().expect("a good address").assume_checked().script_pubkey()
}

fn on_demo(bitcoins: &str) -> String {
    address_of(&script(bitcoins), &Network::demo()).expect("it has one")
}

fn password() -> Password {
    Password::new("correct horse").expect("not empty")
}

struct Owner {
    wallet: Wallet,
    _tmp: tempfile::TempDir,
}

fn owner(keys: &WalletKeys) -> Owner {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = WalletFolder::at(tmp.path().join("wallets"), Network::demo()).with_cheap_passwords();
    let name = WalletName::parse("alice").expect("a good name");
    Owner { wallet: folder.create_from_keys(&name, keys, &password()).expect("a free name"), _tmp: tmp }
}

fn words_owner(scripts: ScriptKind) -> Owner {
    let words = RecoveryWords::from_entropy(&[3; 16]).expect("a good length");
    let keys = WalletKeys::from_words(&words, &crate::Passphrase::none(), scripts, 0, &Network::demo());
    owner(&keys.expect("derivable"))
}

fn rsa_key(private: bool) -> WalletKeys {
    let key = if private {
        crate::RsaKey::import(include_bytes!("../../tests/files/keys/pkcs8.pem"), None)
    } else {
        crate::RsaKey::import_public(include_bytes!("../../tests/files/keys/public.pem"))
    };
    WalletKeys::from_rsa(key.expect("a key"), &Network::demo()).expect("demo has RSA locks")
}

#[test]
fn bip322_message_hashes_and_transactions() {
    let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let expected = [
        (
            "",
            "c90c269c4f8fcbe6880f72a721ddfbf1914268a794cbb21cfafee13770ae19f1",
            "c5680aa69bb8d860bf82d4e9cd3504b55dde018de765a91bb566283c545a99a7",
            "1e9654e951a5ba44c8604c4de6c67fd78a27e81dcadcfe1edf638ba3aaebaed6",
        ),
        (
            "Hello World",
            "f0eb03b1a75ac6d9847f55c624a99169b5dccba2a31f5b23bea77ba270de0a7a",
            "b79d196740ad5217771c1098fc4a4b51e0535c32236c71f1ea4d61a2d603352b",
            "88737ae86f2077145f93cc4b153ae9a1cb8d56afa511988c149c5c8c9d93bddf",
        ),
    ];
    for (message, hash, to_spend, to_sign) in expected {
        assert_eq!(hex(bip322::tagged_hash(b"BIP0322-signed-message", message.as_bytes())), hash);
        let spent = bip322::to_spend(&script(SEGWIT), message.as_bytes());
        assert_eq!(spent.compute_txid().to_string(), to_spend);
        assert_eq!(bip322::to_sign(&spent).compute_txid().to_string(), to_sign);
    }
}

#[test]
fn bip322_signatures_are_made_and_hold() {
    let demo = Network::demo();
    let keys = WalletKeys::from_descriptors(&format!("wpkh({KEY})"), &demo).expect("a descriptor");
    let owner = owner(&keys);
    let address = on_demo(SEGWIT);
    for (message, signatures) in [("", EMPTY), ("Hello World", HELLO)] {
        let made = owner.wallet.sign_message(&address, message.as_bytes(), &password()).expect("right password");
        assert!(signatures.contains(&made.as_str()), "{made}");
        for signature in signatures {
            verify_message(&address, message.as_bytes(), signature, &demo).expect("the BIP's own");
            let marked = format!("smp{signature}\n");
            verify_message(&address, message.as_bytes(), &marked, &demo).expect("newer signers' form");
            let other = verify_message(&address, b"Hello world", signature, &demo);
            assert!(matches!(other, Err(MessageError::DoesNotHold)));
        }
    }
    let taproot = on_demo(TAPROOT);
    verify_message(&taproot, b"Hello World", HELLO_TAPROOT, &demo).expect("it holds");
    let other = verify_message(&taproot, b"", HELLO_TAPROOT, &demo);
    assert!(matches!(other, Err(MessageError::DoesNotHold)));
}

#[test]
fn every_kind_of_wallet_with_one_key_signs_for_each_of_its_addresses() {
    let demo = Network::demo();
    let mut owners = [words_owner(ScriptKind::Taproot), words_owner(ScriptKind::Segwit), owner(&rsa_key(true))];
    for owner in &mut owners {
        let address = owner.wallet.next_address().expect("written").address;
        for message in [&b""[..], b"Hello World", "äöü\n\0".as_bytes(), &[0xff; 10_000]] {
            let signature = owner.wallet.sign_message(&address, message, &password()).expect("right password");
            verify_message(&address, message, &signature, &demo).expect("just signed");
            let longer = [message, b" "].concat();
            let other = verify_message(&address, &longer, &signature, &demo);
            assert!(matches!(other, Err(MessageError::DoesNotHold)));
        }
        let wrong = owner.wallet.sign_message(&address, b"", &Password::new("wrong").expect("not empty"));
        assert!(matches!(wrong, Err(MessageError::Wallet(crate::WalletError::WrongPassword))));
    }
}

#[test]
fn wrong_addresses_messages_and_signatures_are_told_apart() {
    let demo = Network::demo();
    let mut segwit = words_owner(ScriptKind::Segwit);
    let mut rsa = owner(&rsa_key(true));
    let address = segwit.wallet.next_address().expect("written").address;
    let lock = rsa.wallet.next_address().expect("written").address;
    let signature = segwit.wallet.sign_message(&address, b"hello", &password()).expect("right password");
    let locks = rsa.wallet.sign_message(&lock, b"hello", &password()).expect("right password");
    let check = |address: &str, signature: &str| {
        verify_message(address, b"hello", signature, &demo).expect_err("something is wrong")
    };
    // Another address of the same kind, which the key in the signature shows.
    assert!(matches!(check(&on_demo(SEGWIT), &signature), MessageError::OtherAddress));
    let other_key = mycoin_primitives::ScriptBuf::from_bytes([&[0x60, 32][..], &[7; 32]].concat());
    let other_lock = address_of(&other_key, &demo).expect("it has one");
    assert!(matches!(check(&other_lock, &locks), MessageError::OtherAddress));
    // A signature of another kind of address.
    assert!(matches!(check(&on_demo(TAPROOT), &signature), MessageError::OtherAddress));
    assert!(matches!(check(&address, HELLO_TAPROOT), MessageError::OtherAddress));
    assert!(matches!(check(&lock, &signature), MessageError::NotASignature));
    // No signature at all, or half of one.
    for nonsense in ["", "hello", &signature[..signature.len() - 4], "AA==", &locks] {
        assert!(matches!(check(&address, nonsense), MessageError::NotASignature), "{nonsense}");
    }
    assert!(matches!(check(&lock, &locks[..locks.len() - 4]), MessageError::NotASignature));
    // One that leaves something open.
    let mut bytes = BASE64_STANDARD.decode(&signature).expect("base64");
    let hash_type = bytes.len() - 35;
    assert_eq!(bytes[hash_type], 1);
    bytes[hash_type] = 0x81;
    assert!(matches!(check(&address, &BASE64_STANDARD.encode(bytes)), MessageError::Partial));
    // No address of this coin, or of a kind that signs no messages.
    assert!(matches!(check(SEGWIT, &signature), MessageError::Address(_)));
    let script_hash = ScriptBuf::from_bytes([&[0, 32][..], &[7; 32]].concat());
    let script_hash = address_of(&script_hash, &demo).expect("it has one");
    assert!(matches!(check(&script_hash, &signature), MessageError::KindOfAddress));
    // Signing for others.
    let others = segwit.wallet.sign_message(&on_demo(SEGWIT), b"", &password());
    assert!(matches!(others, Err(MessageError::NotOurs)));
    let watching = owner(&rsa_key(false));
    let refused = watching.wallet.sign_message(&lock, b"", &password());
    assert!(matches!(refused, Err(MessageError::Wallet(crate::WalletError::WatchOnly))));
    assert!(parse_address(&lock, &demo).is_ok());
}

#[test]
fn signatures_of_one_message_by_an_rsa_key_differ_in_their_salt() {
    let mut rsa = owner(&rsa_key(true));
    let lock = rsa.wallet.next_address().expect("written").address;
    let made: std::collections::BTreeSet<String> =
        (0..20).map(|_| rsa.wallet.sign_message(&lock, b"the same", &password()).expect("right password")).collect();
    assert_eq!(made.len(), 20);
}
