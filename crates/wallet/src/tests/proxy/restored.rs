//! Finding accounts that a proxy knows.

use super::*;
use crate::tests::keys::abandon;
use crate::{Doctor, Passphrase, ScriptKind, WalletKeys};

fn script(keys: &WalletKeys, keychain: Keychain, index: u32) -> ScriptBuf {
    keys.keyring().expect("our own form").script_at(Origin { keychain, index }).expect("derivable")
}

fn keys(scripts: ScriptKind, account: u32) -> WalletKeys {
    WalletKeys::from_words(&abandon(), &Passphrase::none(), scripts, account, &Network::demo()).expect("derivable")
}

/// A proxy that knows payments to these scripts.
fn knowing(scripts: &[ScriptBuf]) -> ProxyClient {
    let mut world = World::new(&Network::demo());
    for (number, script) in scripts.iter().enumerate() {
        let from = OutPoint { txid: Txid::hash(&number.to_le_bytes()), vout: 0 };
        world.mine(vec![payment(from, script.clone(), COIN)]);
    }
    start(world).1
}

#[tokio::test]
async fn coins_beyond_a_wide_gap_are_found_and_proven() {
    let keys = keys(ScriptKind::Taproot, 0);
    let proxy = knowing(&[script(&keys, Keychain::External, 150), script(&keys, Keychain::External, 190)]);
    let examined =
        Doctor::new(&proxy, &|_| {}).examine(&abandon(), &Passphrase::none(), None).await.expect("it answers");
    let [found] = &examined.found[..] else { panic!("{examined:?}") };
    assert_eq!((found.scripts, found.account, found.used.addresses), (ScriptKind::Taproot, 0, 2));
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let mut wallet =
        folder(tmp.path(), &Network::demo()).create_from_keys(&name("alice"), &keys, &password()).expect("a free name");
    wallet.sync(&proxy).await.expect("an honest proxy");
    assert_eq!(wallet.balance().total, Amount::ZERO, "no usual search goes so far");
    assert!(wallet.reach(&found.used).expect("written"));
    wallet.sync(&proxy).await.expect("an honest proxy");
    assert_eq!(wallet.balance().total, Amount::from_sat(2 * COIN));
    assert!(!wallet.reach(&found.used).expect("nothing to write"));
}

#[tokio::test]
async fn accounts_are_found_after_unused_ones_and_the_fullest_comes_first() {
    let (segwit, taproot) = (keys(ScriptKind::Segwit, 4), keys(ScriptKind::Taproot, 8));
    let proxy = knowing(&[
        script(&segwit, Keychain::External, 0),
        script(&taproot, Keychain::Internal, 3),
        script(&taproot, Keychain::External, 19),
    ]);
    let doctor = Doctor::new(&proxy, &|_| {});
    let examined = doctor.examine(&abandon(), &Passphrase::none(), None).await.expect("it answers");
    let found: Vec<_> = examined.found.iter().map(|one| (one.scripts, one.account, one.used.transactions)).collect();
    assert_eq!(found, [(ScriptKind::Taproot, 8, 2), (ScriptKind::Segwit, 4, 1)]);
    assert_eq!(examined.scripts, [ScriptKind::Taproot, ScriptKind::Segwit], "the kinds that the coin has");
    let only = doctor.examine(&abandon(), &Passphrase::none(), Some(ScriptKind::Segwit)).await.expect("it answers");
    assert_eq!(only.found.len(), 1);
    let other = doctor.examine(&abandon(), &Passphrase::new("x"), None).await.expect("it answers");
    assert!(other.found.is_empty() && other.gap == 200 && other.addresses > 1_000);
    assert_eq!(doctor.look_for(&segwit).await.expect("it answers").transactions, 1);
    assert_eq!(doctor.look_for(&keys(ScriptKind::Segwit, 0)).await.expect("it answers").transactions, 0);
}

/// A proxy that claims that everything was used leads nobody on for ever, and nothing of it counts.
#[tokio::test]
async fn claims_end_and_change_no_balance() {
    let mut world = World::new(&Network::demo());
    world.exaggerates = true;
    let (_, proxy) = start(world);
    let used = Doctor::new(&proxy, &|_| {}).look_for(&keys(ScriptKind::Taproot, 0)).await.expect("it answers");
    assert_eq!(used.addresses, 4_000);
}
