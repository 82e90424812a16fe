//! What the wallet says of itself: the balance in parts, the list of addresses.

use super::*;
use crate::{BalanceKind, BalancePart};

#[test]
fn each_part_of_the_balance_is_explained_and_they_add_up() {
    let mut scene = Scene::new(KeyKind::Words, &Network::mycoin());
    scene.receive(COIN, Some(1));
    scene.receive(2 * COIN, None);
    scene.reward(50 * COIN, 3);
    scene.reward(50 * COIN, 7);
    scene.sync_to(10).expect("nothing wrong");
    let [spendable, waiting, immature] = scene.wallet.balance_parts();
    let seen = |part: &BalancePart| (part.kind, part.amount.to_sat() / COIN, part.coins);
    assert_eq!(seen(&spendable), (BalanceKind::Spendable, 1, 1));
    assert_eq!(seen(&waiting), (BalanceKind::Waiting, 2, 1));
    assert_eq!(seen(&immature), (BalanceKind::Immature, 100, 2));
    assert_eq!(immature.blocks_left, Some((92, 96)));
    assert!(immature.explanation().contains("92") && immature.explanation().contains("96"));
    assert_eq!(spendable.explanation(), "Can be spent now.");
    assert!(waiting.explanation().contains("no block holds it yet"));
    assert_eq!(spendable.amount + waiting.amount + immature.amount, scene.wallet.balance().total);
    scene.pay(COIN / 2);
    let [spendable, ..] = scene.wallet.balance_parts();
    assert_eq!(spendable.unconfirmed, spendable.amount);
    assert!(spendable.explanation().contains("change"));
}

#[test]
fn each_address_has_its_use_and_its_balance() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    scene.receive(COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    scene.receive(3 * COIN, Some(2));
    scene.sync_to(2).expect("nothing wrong");
    scene.pay(2 * COIN);
    scene.sync_to(3).expect("nothing wrong");
    scene.wallet.next_address().expect("written");
    let list = scene.wallet.address_list();
    let seen: Vec<_> = list
        .iter()
        .map(|entry| (entry.change, entry.index, entry.received.to_sat() / COIN, entry.transactions, entry.is_used()))
        .collect();
    assert_eq!(seen, [(false, 0, 1, 1, true), (false, 1, 3, 2, true), (false, 2, 0, 0, false), (true, 0, 0, 1, true)]);
    let sum = list.iter().fold(Amount::ZERO, |sum, entry| sum + entry.balance);
    assert_eq!(sum, scene.wallet.balance().total);
    assert_eq!(list[1].balance, Amount::ZERO);
    let mut unique: Vec<_> = list.iter().map(|entry| &entry.address).collect();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), list.len());
}

#[test]
fn the_one_address_of_an_rsa_wallet_has_everything() {
    let mut scene = Scene::new(KeyKind::Rsa { bits: 2048 }, &Network::demo());
    scene.receive(COIN, Some(1));
    scene.receive(3 * COIN, Some(2));
    scene.sync_to(2).expect("nothing wrong");
    let list = scene.wallet.address_list();
    assert_eq!((list.len(), list[0].transactions, list[0].balance.to_sat()), (1, 2, 4 * COIN));
}
