//! What holds of every payment, over 10,000 random sets of coins.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::keyring::Origin;
use crate::ledger::{CoinState, OwnCoin};
use crate::payment::Parts;
use crate::pick::{PickError, Picked, Purse};
use crate::recipients::{PayAmount, Recipient};
use crate::select::{FeeRule, dust_limit};

const CASES: u32 = 10_000;

/// A random wallet's coins, and what is asked of them.
#[derive(Debug, Clone)]
struct Case {
    /// Value, state (most can be spent), whether it is frozen, whether it is named.
    coins: Vec<(u64, u8, bool, bool)>,
    /// Whether only the named coins may be spent.
    by_name: bool,
    amounts: Vec<u64>,
    /// Whether one more recipient gets all that is left.
    max: bool,
    /// In sat/kvB.
    rate: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let value = prop_oneof![4 => 1u64..5_000_000, 1 => 1u64..2_000, 1 => 100_000_000u64..2_000_000_000_000];
    let coin = (value, 0u8..10, prop::bool::weighted(0.15), prop::bool::weighted(0.4));
    let amounts = prop::collection::vec(prop_oneof![3 => 330u64..2_000_000, 1 => 330u64..50_000_000_000], 0..6);
    (prop::collection::vec(coin, 0..16), prop::bool::weighted(0.2), amounts, prop::bool::weighted(0.3), 100u64..60_000)
        .prop_map(|(coins, by_name, amounts, max, rate)| Case {
            coins,
            by_name,
            max: max || amounts.is_empty(),
            amounts,
            rate,
        })
}

fn script(number: usize) -> ScriptBuf {
    ScriptBuf::from_bytes([&[0x51, 0x20][..], &[number as u8; 32]].concat())
}

fn own_coins(case: &Case) -> Vec<OwnCoin> {
    let coin = |(number, (value, state, ..)): (usize, &(u64, u8, bool, bool))| OwnCoin {
        outpoint: OutPoint { txid: Txid::hash(&number.to_le_bytes()), vout: number as u32 },
        output: TxOut { value: Amount::from_sat(*value), script_pubkey: script(200) },
        origin: Origin::FIRST,
        state: match state {
            0 => CoinState::Waiting,
            1 => CoinState::Immature { blocks_left: 3 },
            _ => CoinState::Spendable,
        },
        confirmed: !matches!(state, 0 | 2 | 3),
    };
    case.coins.iter().enumerate().map(coin).collect()
}

/// Everything that must hold of one case; whether a payment was possible.
fn check(wallet: &Wallet, case: &Case) -> Result<bool, TestCaseError> {
    let network = wallet.network();
    let all = own_coins(case);
    let marked = |which: fn(&(u64, u8, bool, bool)) -> bool| {
        all.iter().zip(&case.coins).filter(move |(_, given)| which(given)).map(|(coin, _)| coin.outpoint)
    };
    let frozen: BTreeSet<OutPoint> = marked(|coin| coin.2).collect();
    let named: Vec<OutPoint> = marked(|coin| coin.3).filter(|_| case.by_name).collect();
    let asked: Vec<TxOut> = case
        .amounts
        .iter()
        .enumerate()
        .map(|(number, amount)| TxOut { value: Amount::from_sat(*amount), script_pubkey: script(number) })
        .collect();
    let rest = script(100);
    let change = if case.max { rest.clone() } else { wallet.change_script().expect("words give change addresses") };
    let rate = FeeRate::from_sat_per_kvb(case.rate);
    let payment = wallet.payment(&asked, &change, FeeRule::rate(rate));
    let purse = Purse { coins: &all, frozen: &frozen, named: &named };
    let picked = if case.max { purse.empty(&payment) } else { purse.pay(&payment) };
    let spendable = purse.spendable(true);
    let Picked { coins, plan, left } = match picked {
        Ok(picked) => picked,
        Err(PickError::TooLittle(too_little)) => {
            let usable = |coin: &&OwnCoin| {
                if named.is_empty() { payment.is_worth(coin.output.value) } else { named.contains(&coin.outpoint) }
            };
            let held: u64 = spendable.iter().filter(usable).map(|coin| coin.output.value.to_sat()).sum();
            prop_assert!(held < too_little.needed.to_sat(), "it is really too little");
            return Ok(false);
        }
        Err(PickError::Frozen(coin)) => {
            prop_assert!(named.contains(&coin) && frozen.contains(&coin));
            return Ok(false);
        }
        Err(PickError::NotReady(coin)) => {
            prop_assert!(named.contains(&coin) && spendable.iter().all(|usable| usable.outpoint != coin));
            return Ok(false);
        }
        Err(PickError::Unknown(_)) => return Err(TestCaseError::fail("every named coin is there")),
    };
    let spent: BTreeSet<OutPoint> = coins.iter().map(|coin| coin.outpoint).collect();
    prop_assert_eq!(spent.len(), coins.len(), "no coin twice");
    prop_assert!(spent.is_disjoint(&frozen), "frozen coins are never chosen");
    prop_assert!(coins.iter().all(|coin| coin.state == CoinState::Spendable));
    if !named.is_empty() {
        prop_assert_eq!(&spent, &named.iter().copied().collect(), "exactly the named coins");
    } else if case.max {
        // What stays behind costs more than it brings.
        prop_assert_eq!(spent.len() + left.len(), spendable.len(), "max leaves nothing else");
        prop_assert!(left.iter().all(|value| !payment.is_worth(*value)));
    } else if coins.iter().any(|coin| !coin.confirmed) {
        let confirmed = purse.spendable(false);
        let values: Vec<Amount> = confirmed.iter().map(|coin| coin.output.value).collect();
        prop_assert!(payment.choose(&[], &values).is_err(), "coins in blocks come first");
    }
    let most = plan.fee.to_sat();
    let recipient = |output: &TxOut| Recipient::new(output.script_pubkey.clone(), "", PayAmount::Exactly(output.value));
    let mut recipients: Vec<Recipient> = asked.iter().map(recipient).collect();
    if let Some(value) = plan.change.filter(|_| case.max) {
        recipients.push(recipient(&TxOut { value, script_pubkey: rest.clone() }));
    }
    let held: u64 = coins.iter().map(|coin| coin.output.value.to_sat()).sum();
    let draft = wallet.compose(Parts {
        recipients,
        change: (!case.max).then_some(change.clone()),
        picked: Picked { coins, plan, left },
        replaceable: true,
        replaces: BTreeSet::new(),
        estimated: true,
        allow_high_fee: true,
    });
    let draft = draft.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let (tx, review) = (draft.unsigned(), draft.review());
    // The transaction itself against what is shown.
    prop_assert_eq!(tx.input.iter().map(|input| input.previous_output).collect::<BTreeSet<_>>(), spent);
    let paid: u64 = tx.output.iter().map(|output| output.value.to_sat()).sum();
    prop_assert_eq!(held, paid + review.fee.to_sat(), "inputs = outputs + fee");
    prop_assert_eq!(review.fee.to_sat(), most);
    let mut outputs = tx.output.clone();
    for asked in &asked {
        let at = outputs.iter().position(|output| output == asked);
        outputs.remove(at.ok_or_else(|| TestCaseError::fail("every recipient gets what was asked"))?);
    }
    let least = rate.fee_for(review.vsize);
    prop_assert!(review.fee >= least, "the fee reaches its rate");
    match outputs.as_slice() {
        [] => {
            // Nothing comes back: what stays with the miner is less than change would have had to be, and its output.
            prop_assert!(!case.max && review.change == Amount::ZERO && review.change_address.is_none());
            let spared = dust_limit(&change, network).expect("standard") + rate.fee_for(43 + 1) + rate.fee_for(58);
            prop_assert!(
                review.fee <= least + spared.max(Amount::from_sat(200) + rate.fee_for(44)),
                "{} of {}",
                review.fee,
                least
            );
        }
        [other] => {
            prop_assert_eq!(&other.script_pubkey, &change);
            prop_assert!(other.value >= dust_limit(&change, network).expect("standard"), "change is never dust");
            prop_assert_eq!(review.fee, least, "nothing more than the fee that is shown");
            let back = if case.max { Amount::ZERO } else { other.value };
            prop_assert_eq!(review.change, back);
        }
        _ => return Err(TestCaseError::fail("nobody else is paid")),
    }
    let asked_for: u64 = asked.iter().map(|output| output.value.to_sat()).sum();
    if !case.max {
        prop_assert_eq!(
            held - review.change.to_sat(),
            asked_for + review.fee.to_sat(),
            "never more than asked and the fee"
        );
    }
    Ok(true)
}

#[test]
fn payments_from_random_coins_never_pay_more_than_asked_and_the_fee_shown() {
    let scene = Scene::new(KeyKind::Words, &Network::demo());
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut made = std::cell::Cell::new(0_u32);
    runner
        .run(&cases(), |case| {
            made.set(made.get() + u32::from(check(&scene.wallet, &case)?));
            Ok(())
        })
        .expect("it holds for all");
    assert!(*made.get_mut() > CASES / 3, "{} payments could be made", made.get());
}

/// What is shown as a size is never below what is sent, and hardly above, whatever signs.
#[test]
fn the_size_that_is_shown_holds_for_every_kind_of_key() {
    let network = Network::demo();
    let words = RecoveryWords::generate().expect("randomness");
    let segwit = WalletKeys::from_words(&words, &Passphrase::none(), crate::ScriptKind::Segwit, 0, &network);
    let scenes = [
        Scene::new(KeyKind::Words, &network),
        Scene::with_keys(&segwit.expect("a kind that the coin has"), &network),
        Scene::new(KeyKind::Rsa { bits: 2048 }, &network),
    ];
    for mut scene in scenes {
        for sats in [COIN, 2 * COIN, 3 * COIN] {
            scene.receive(sats, Some(1));
        }
        scene.sync_to(1).expect("nothing wrong");
        for (recipients, max) in [(1, false), (300, false), (2, true), (0, true)] {
            let address = |number: usize| {
                let script =
                    ScriptBuf::from_bytes([&[0, 20][..], &[number as u8, (number >> 8) as u8], &[7; 18]].concat());
                Recipient::new(script, "", PayAmount::Exactly(Amount::from_sat(1_000_000)))
            };
            let mut all: Vec<Recipient> = (0..recipients).map(address).collect();
            if max {
                all.push(Recipient { amount: PayAmount::Max, ..address(9_999) });
            }
            let request = PaymentRequest::new(all, FeeChoice::Rate(FeeRate::from_sat_per_vb(3)));
            let draft = scene.wallet.prepare(&request).expect("enough coins");
            let tx = scene.wallet.sign(&draft, &password()).expect("right password");
            scene.check_signatures(&tx);
            let (size, shown) = (tx.vsize() as u64, draft.review().vsize);
            assert!(size <= shown && shown <= size + tx.input.len() as u64, "{size} of {shown}");
            assert_eq!(tx.output.len(), recipients + 1);
            if max {
                assert_eq!((tx.input.len(), draft.review().change), (3, Amount::ZERO));
                assert_eq!(draft.review().balance_after, Amount::ZERO, "max leaves nothing");
            }
        }
    }
}
