//! Payments that wait, and what can be done about them.

use super::*;
use crate::notes::NotesChange;
use crate::recipients::{PayAmount, Recipient};
use crate::{Contact, Draft, FixError, Reason, Remedy, Standing};

const NEXT: FeeChoice = FeeChoice::Target { blocks: 1 };

fn rate(sat_per_vb: u64) -> FeeChoice {
    FeeChoice::Rate(FeeRate::from_sat_per_vb(sat_per_vb))
}

impl Scene {
    /// A wallet of these coins, all in one block.
    fn rich(kind: KeyKind, coins: &[u64]) -> Self {
        let mut scene = Self::new(kind, &Network::demo());
        for sats in coins {
            scene.receive(*sats, Some(1));
        }
        scene.sync_to(1).expect("nothing wrong");
        scene
    }

    /// Signs, checks and notes a draft, as if the network took it.
    fn carry_out(&mut self, draft: &Draft) -> Transaction {
        let tx = self.wallet.sign(draft, &password()).expect("right password");
        self.check_signatures(&tx);
        assert!(tx.vsize() as u64 <= draft.review().vsize);
        self.wallet.note_payment(draft, &tx, None, self.now).expect("written");
        draft.replaces().iter().for_each(|gone| drop(self.records.remove(gone)));
        self.tell(tx.clone(), None);
        tx
    }

    fn contact(&mut self, name: &str, address: &str) {
        let contact = Contact { address: address.to_owned(), note: String::new() };
        let notes = NotesChange { contacts: [(name.to_owned(), Some(contact))].into(), ..NotesChange::default() };
        self.wallet.commit(crate::ledger::Change { notes, ..Default::default() }).expect("written");
    }

    fn history_of(&self, kind: EntryKind) -> Vec<Txid> {
        self.wallet.history().into_iter().filter(|entry| entry.kind == kind).map(|entry| entry.txid).collect()
    }
}

#[test]
fn a_bump_pays_the_same_and_takes_the_fee_from_the_change() {
    for kind in [KeyKind::Words, KeyKind::Rsa { bits: 2048 }] {
        let mut scene = Scene::rich(kind, &[10 * COIN, 3 * COIN]);
        let old = scene.pay(4 * COIN);
        let old_fee = scene.wallet.ledger.fee(&old).expect("own coins");
        let draft = scene.wallet.prepare_bump(old.compute_txid(), rate(20), false).expect("it can be replaced");
        let review = draft.review();
        assert_eq!(review.fee, FeeRate::from_sat_per_vb(20).fee_for(review.vsize));
        assert_eq!(review.replaced_fee, Some(old_fee));
        assert!(review.fee >= old_fee + FeeRate::from_sat_per_kvb(100).fee_for(review.vsize), "BIP125, rules 3 and 4");
        assert!(review.warnings.is_empty(), "it was not paid before by anything but what is replaced: {review:?}");
        let new = scene.carry_out(&draft);
        let of = |tx: &Transaction| {
            tx.output.iter().filter(|output| output.script_pubkey == stranger()).cloned().collect::<Vec<_>>()
        };
        assert_eq!(of(&new), of(&old));
        assert_eq!(new.input.len(), old.input.len());
        let change = |tx: &Transaction| tx.output.iter().find(|output| output.script_pubkey != stranger()).cloned();
        let (before, after) = (change(&old).expect("change"), change(&new).expect("change"));
        assert_eq!(before.script_pubkey, after.script_pubkey, "no address for nothing");
        assert_eq!(before.value - after.value, review.fee - old_fee);
        // Noted in the same second, and still the new one counts.
        assert_eq!(scene.history_of(EntryKind::Sent), [new.compute_txid()]);
        let spendable = 9 * COIN - review.fee.to_sat();
        assert_eq!(scene.balance(), [spendable, 0, 0]);
        scene.tell(new, Some(2));
        scene.sync_to(2).expect("nothing wrong");
        assert_eq!(scene.reopen().balance(), [spendable, 0, 0]);
    }
}

#[test]
fn a_bump_adds_coins_where_the_change_does_not_reach() {
    let mut scene = Scene::rich(KeyKind::Words, &[COIN, 2 * COIN]);
    let old = scene.pay(COIN - 250);
    assert_eq!((old.input.len(), old.output.len()), (1, 1), "it has no change");
    let draft = scene.wallet.prepare_bump(old.compute_txid(), rate(50), false).expect("another coin helps");
    let new = scene.carry_out(&draft);
    assert_eq!((new.input.len(), new.output.len()), (2, 2));
    assert!(new.output.contains(&old.output[0]));
    assert_eq!(scene.balance(), [2 * COIN + 250 - draft.review().fee.to_sat(), 0, 0]);
    // Where there is no other coin, nothing is taken from the recipient.
    let mut scene = Scene::rich(KeyKind::Words, &[COIN]);
    let old = scene.pay(COIN - 250).compute_txid();
    let refused = scene.wallet.prepare_bump(old, rate(50), false);
    assert!(matches!(refused, Err(FixError::Payment(PaymentError::NotEnough { .. }))));
}

#[test]
fn a_bump_outbids_what_spends_from_the_old_payment() {
    let mut scene = Scene::rich(KeyKind::Words, &[10 * COIN]);
    let old = scene.pay(4 * COIN);
    let child = scene.pay(COIN);
    assert_eq!(child.input[0].previous_output.txid, old.compute_txid());
    let fees: Amount = [&old, &child].map(|tx| scene.wallet.ledger.fee(tx).expect("own coins")).into_iter().sum();
    let least = scene.wallet.prepare_bump(old.compute_txid(), NEXT, false).expect("it can be replaced");
    assert!(least.review().fee >= fees + FeeRate::from_sat_per_kvb(100).fee_for(least.review().vsize));
    assert!(least.review().warnings.contains(&Warning::TakesAlong { payments: 1 }));
    let new = scene.carry_out(&least);
    assert_eq!(scene.history_of(EntryKind::Sent), [new.compute_txid()]);
    assert_eq!(scene.balance(), [6 * COIN - least.review().fee.to_sat(), 0, 0]);
}

#[test]
fn what_cannot_be_replaced_is_refused() {
    let mut scene = Scene::rich(KeyKind::Words, &[10 * COIN]);
    let confirmed = *scene.records.keys().next().expect("one coin");
    let incoming = scene.receive(COIN, None);
    scene.sync_to(1).expect("nothing wrong");
    let refused = |scene: &Scene, txid, fee| scene.wallet.prepare_bump(txid, fee, false).expect_err("refused");
    assert!(matches!(refused(&scene, Txid::all_zeros(), NEXT), FixError::Unknown { .. }));
    assert!(matches!(refused(&scene, confirmed, NEXT), FixError::Confirmed { .. }));
    assert!(matches!(refused(&scene, incoming, NEXT), FixError::NotOurs { .. }));
    assert!(matches!(scene.wallet.prepare_cancel(incoming, NEXT, false), Err(FixError::NotOurs { .. })));
    let sent = scene.pay(COIN).compute_txid();
    let error = refused(&scene, sent, rate(2));
    assert!(matches!(error, FixError::RateTooLow { .. }), "{error}");
    assert!(error.to_string().contains("at least 2.1"), "{error}");
    assert!(matches!(refused(&scene, sent, rate(2_000)), FixError::Payment(PaymentError::FeeAbsurd { .. })));
    // One that promised to stay.
    let request = PaymentRequest { replaceable: false, ..scene.request(COIN, 2) };
    let draft = scene.wallet.prepare(&request).expect("enough coins");
    assert!(draft.unsigned().input.iter().all(|input| !input.sequence.is_rbf()));
    let firm = scene.carry_out(&draft).compute_txid();
    assert!(matches!(refused(&scene, firm, NEXT), FixError::NotReplaceable { .. }));
    scene.wallet.prepare_acceleration(firm, rate(9), false).expect("its change can pay for it");
}

#[test]
fn a_cancelled_payment_comes_back() {
    for kind in [KeyKind::Words, KeyKind::Rsa { bits: 2048 }] {
        let mut scene = Scene::rich(kind, &[10 * COIN]);
        let old = scene.pay(4 * COIN);
        let draft = scene.wallet.prepare_cancel(old.compute_txid(), rate(5), false).expect("it can be replaced");
        assert!(draft.review().recipients.is_empty());
        assert_eq!(draft.review().amount, Amount::ZERO);
        let new = scene.carry_out(&draft);
        assert!(new.output.iter().all(|output| output.script_pubkey != stranger()));
        assert_eq!(scene.balance(), [10 * COIN - draft.review().fee.to_sat(), 0, 0]);
        assert_eq!(scene.history_of(EntryKind::Sent), []);
        assert_eq!(scene.history_of(EntryKind::ToSelf), [new.compute_txid()]);
        // That one waits too, and can be bumped: all of it is change.
        let again = scene.wallet.prepare_bump(new.compute_txid(), rate(30), false).expect("it can be replaced");
        scene.carry_out(&again);
        assert_eq!(scene.balance(), [10 * COIN - again.review().fee.to_sat(), 0, 0]);
    }
}

#[test]
fn a_child_pays_for_an_incoming_payment() {
    let mut scene = Scene::rich(KeyKind::Words, &[]);
    let incoming = scene.receive(5 * COIN, None);
    let fee = 20;
    let paid = TxOut { value: Amount::from_sat(5 * COIN + fee), script_pubkey: stranger() };
    scene.records.get_mut(&incoming).expect("just told").spent = vec![Some(paid)];
    scene.sync_to(1).expect("nothing wrong");
    assert_eq!(scene.balance(), [0, 5 * COIN, 0]);
    let draft = scene.wallet.prepare_acceleration(incoming, rate(10), false).expect("its output is ours");
    let size = scene.records[&incoming].tx.vsize() as u64 + draft.review().vsize;
    assert_eq!(draft.review().fee.to_sat() + fee, 10 * size, "both together reach the rate");
    assert_eq!(draft.review().warnings, [Warning::SpendsUnconfirmed { coins: 1 }]);
    let child = scene.carry_out(&draft);
    assert_eq!(child.input[0].previous_output.txid, incoming);
    // It pays already.
    let grandchild = scene.wallet.prepare_acceleration(child.compute_txid(), rate(1), false);
    let _ = grandchild.expect("the first one still pays too little alone");
    assert!(matches!(
        scene.wallet.prepare_acceleration(incoming, rate(10), false),
        Err(FixError::NothingToSpend { .. })
    ));
    // The sender takes it back: both vanish.
    scene.records.clear();
    assert_eq!(scene.sync_to(2).expect("nothing wrong").vanished, 2);
    assert_eq!(scene.balance(), [0, 0, 0]);
}

#[test]
fn frozen_coins_are_kept_back() {
    let mut scene = Scene::rich(KeyKind::Words, &[COIN, 2 * COIN]);
    let large = scene.wallet.coins().into_iter().find(|coin| coin.output.value.to_sat() == 2 * COIN).expect("there");
    assert_eq!(scene.wallet.freeze(&large.outpoint.to_string(), true).expect("ours"), [large.outpoint]);
    assert_eq!(scene.wallet.freeze(&large.outpoint.to_string(), true).expect("ours"), []);
    let mut scene = scene.reopen();
    let error = scene.wallet.prepare(&scene.request(3 * COIN / 2, 1)).expect_err("too little is free");
    assert!(error.to_string().ends_with("of which 2.00000000 DEMO is frozen"), "{error}");
    let named = PaymentRequest { coins: vec![large.outpoint], ..scene.request(COIN, 1) };
    assert!(matches!(scene.wallet.prepare(&named), Err(PaymentError::CoinFrozen { .. })));
    let unknown = PaymentRequest { coins: vec![OutPoint::null()], ..scene.request(COIN, 1) };
    assert!(matches!(scene.wallet.prepare(&unknown), Err(PaymentError::CoinUnknown { .. })));
    let all = vec![Recipient::new(stranger(), "", PayAmount::Max)];
    let draft = scene.wallet.prepare(&PaymentRequest::new(all, rate(1))).expect("one coin is free");
    assert_eq!(draft.review().total.to_sat(), COIN);
    // A draft does not outlive the freezing of its coin.
    let small = draft.review().coins[0].clone();
    scene.wallet.freeze(small.address.as_deref().expect("an address"), true).expect("a coin lies there");
    assert!(matches!(scene.wallet.sign(&draft, &password()), Err(PaymentError::DraftOutdated)));
    for coin in [large.outpoint, small.outpoint] {
        assert_eq!(scene.wallet.freeze(&coin.to_string(), false).expect("ours"), [coin]);
    }
    let exactly = PaymentRequest { coins: vec![large.outpoint], ..scene.request(COIN / 2, 1) };
    let draft = scene.wallet.prepare(&exactly).expect("it is free again");
    assert_eq!(draft.review().coins.iter().map(|coin| coin.outpoint).collect::<Vec<_>>(), [large.outpoint]);
    let too_much = PaymentRequest { coins: vec![small.outpoint], ..scene.request(2 * COIN, 1) };
    assert!(matches!(scene.wallet.prepare(&too_much), Err(PaymentError::NamedNotEnough { .. })));
    assert!(scene.wallet.freeze("nonsense", true).is_err());
}

#[test]
fn addresses_that_deserve_a_second_look_are_pointed_out() {
    let mut scene = Scene::rich(KeyKind::Words, &[10 * COIN]);
    scene.pay(COIN);
    let warnings = |scene: &Scene, recipients: Vec<Recipient>| {
        let request = PaymentRequest::new(recipients, rate(2));
        let warnings = scene.wallet.prepare(&request).expect("enough coins").review().warnings.clone();
        let aside = |warning: &Warning| !matches!(warning, Warning::SpendsUnconfirmed { .. });
        warnings.into_iter().filter(aside).collect::<Vec<_>>()
    };
    let to = |scene: &Scene, address: &str| scene.wallet.recipient(address, Some("0.5")).expect("an address");
    let paid = address_of(&stranger(), scene.wallet.network()).expect("standard");
    let again = to(&scene, &paid);
    assert_eq!(
        warnings(&scene, vec![again.clone(), again.clone()]),
        [Warning::PaidBefore { address: paid.clone(), times: 1 }, Warning::SameAddressTwice { address: paid.clone() }]
    );
    // Whom one keeps among the contacts, one means to pay again.
    scene.contact("Stranger & sons", &paid);
    let known = to(&scene, "Stranger & sons");
    assert_eq!((known.address.as_str(), known.contact.as_deref()), (paid.as_str(), Some("Stranger & sons")));
    assert_eq!(warnings(&scene, vec![known]), []);
    // One that was made to be mistaken for it: the same ends, another middle.
    let mut poisoned = paid.clone().into_bytes();
    let middle = poisoned.len() / 2;
    poisoned[middle] = if poisoned[middle] == b'q' { b'p' } else { b'q' };
    let poisoned = String::from_utf8(poisoned).expect("ASCII");
    let like = Recipient::new(ScriptBuf::from_bytes([&[0, 20][..], &[8; 20]].concat()), poisoned.clone(), again.amount);
    let contact = Some("Stranger & sons".to_owned());
    assert_eq!(warnings(&scene, vec![like]), [Warning::LooksLike { address: poisoned, known: paid, contact }]);
    // Our own, fresh and used.
    let fresh = scene.wallet.next_address().expect("written").address;
    let own = to(&scene, &fresh);
    assert_eq!(warnings(&scene, vec![own]), [Warning::PaysSelf]);
    let used = scene.wallet.addresses()[0].address.clone();
    let own = to(&scene, &used);
    assert_eq!(warnings(&scene, vec![own]), [Warning::PaysSelf, Warning::OwnAddressUsed { address: used }]);
    // Fees.
    scene.wallet.mempool_minimum = Some(FeeRate::from_sat_per_vb(7));
    let other = ScriptBuf::from_bytes([&[0, 20][..], &[3; 20]].concat());
    let low = scene.wallet.prepare(&scene.request_to(other.clone(), COIN, rate(2))).expect("enough coins");
    assert!(low.review().warnings.iter().any(|warning| matches!(warning, Warning::BelowMinimum { .. })));
    let high = scene.request_to(other, 40_000, rate(900));
    assert!(matches!(scene.wallet.prepare(&high), Err(PaymentError::FeeAbsurd { .. })));
    let allowed = PaymentRequest { allow_high_fee: true, ..high };
    let allowed = scene.wallet.prepare(&allowed).expect("it was allowed");
    assert!(allowed.review().warnings.iter().any(|warning| matches!(warning, Warning::AbsurdFee { .. })));
}

#[test]
fn small_coins_stay_behind_where_they_cost_more_than_they_bring() {
    let scene = Scene::rich(KeyKind::Words, &[COIN, 400]);
    let all = vec![Recipient::new(stranger(), "", PayAmount::Max)];
    let draft = scene.wallet.prepare(&PaymentRequest::new(all.clone(), rate(20))).expect("one is worth it");
    let [Warning::LeavesSmallCoins { coins: 1, .. }] = draft.review().warnings[..] else {
        panic!("{:?}", draft.review().warnings)
    };
    assert_eq!(draft.review().balance_after.to_sat(), 400);
    let draft = scene.wallet.prepare(&PaymentRequest::new(all, rate(1))).expect("both are worth it");
    assert_eq!((draft.review().total.to_sat(), draft.review().balance_after), (COIN + 400, Amount::ZERO));
    let twice = vec![Recipient::new(stranger(), "", PayAmount::Max); 2];
    assert!(matches!(scene.wallet.prepare(&PaymentRequest::new(twice, rate(1))), Err(PaymentError::MaxTwice)));
    assert!(matches!(scene.wallet.prepare(&PaymentRequest::new(Vec::new(), rate(1))), Err(PaymentError::NoRecipient)));
}

#[test]
fn a_table_of_payments_is_taken_whole_or_not_at_all() {
    let mut scene = Scene::rich(KeyKind::Words, &[10 * COIN]);
    let address = address_of(&stranger(), scene.wallet.network()).expect("standard");
    scene.contact("Bob, junior", &address);
    let scheme = scene.wallet.network().uri_scheme.clone();
    let table = format!(
        "address,amount,label\r\n{address},1.5,rent\r\n\"Bob, junior\",2000sat\r\n\r\n{scheme}:{address}?amount=0.25&label=Shop,,\r\n"
    );
    let recipients = scene.wallet.recipients_from_csv(&table).expect("all lines are good");
    let seen: Vec<_> = recipients.iter().map(|one| (one.amount, one.label.as_str())).collect();
    let exactly = |sats| PayAmount::Exactly(Amount::from_sat(sats));
    assert_eq!(seen, [(exactly(150_000_000), "rent"), (exactly(2_000), ""), (exactly(25_000_000), "Shop")]);
    let bad = format!("{address},1\nnobody,1\n{address},-1\n{address}\n{address},max\n{address},max\n");
    let error = scene.wallet.recipients_from_csv(&bad).expect_err("four lines are bad").to_string();
    for part in ["line 2: ", "line 3: the amount is negative", "line 4: it has one field"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains("line 1:") && !error.contains("line 5:"), "{error}");
    let error = scene.wallet.recipients_from_csv(&format!("{address},max\n{address},max\n")).expect_err("max twice");
    assert!(error.to_string().contains("line 2"), "{error}");
    assert!(scene.wallet.recipients_from_csv("address,amount\n").is_err());
}

#[test]
fn a_payment_given_up_frees_its_coins_and_can_be_taken_up_again() {
    let mut scene = Scene::rich(KeyKind::Words, &[10 * COIN]);
    let sent = scene.pay(4 * COIN).compute_txid();
    let bound = scene.balance();
    scene.wallet.give_up(&[sent].into(), scene.now).expect("written");
    assert_eq!(scene.balance(), [10 * COIN, 0, 0]);
    let diagnosis = scene.wallet.diagnose(sent, false).expect("known");
    assert_eq!((diagnosis.standing, diagnosis.remedies[0]), (Standing::Abandoned, Remedy::UndoAbandon));
    assert_eq!(scene.wallet.unsettled(), [sent]);
    let mut scene = scene.reopen();
    scene.wallet.wait_again(sent, scene.now).expect("written");
    assert_eq!(scene.balance(), bound);
    assert!(matches!(scene.wallet.undo_abandon(sent), Err(FixError::NotAbandoned { .. })));
    // Given up, but a node had kept it: what the chain says counts.
    scene.wallet.give_up(&[sent].into(), scene.now).expect("written");
    let tx = scene.records[&sent].tx.clone();
    scene.tell(tx, Some(2));
    scene.sync_to(2).expect("nothing wrong");
    assert_eq!(scene.balance(), bound);
    assert!(matches!(scene.wallet.diagnose(sent, true).expect("known").standing, Standing::Confirmed { .. }));
}

#[test]
fn the_doctor_says_why_and_what_it_costs() {
    let mut scene = Scene::rich(KeyKind::Words, &[10 * COIN]);
    let sent = scene.pay(4 * COIN).compute_txid();
    scene.wallet.fee_estimates =
        [(1, 20_000), (6, 4_000), (25, 1_500)].map(|(blocks, rate)| (blocks, FeeRate::from_sat_per_kvb(rate))).into();
    let diagnosis = scene.wallet.diagnose(sent, true).expect("known");
    assert_eq!(diagnosis.standing, Standing::Waiting);
    let [Reason::LowFee { rate, blocks: Some(25), .. }] = diagnosis.reasons[..] else {
        panic!("{:?}", diagnosis.reasons)
    };
    assert_eq!(rate, FeeRate::from_sat_per_vb(2));
    let bump = scene.wallet.prepare_bump(sent, NEXT, false).expect("it can be replaced");
    let child = scene.wallet.prepare_acceleration(sent, NEXT, false).expect("it has change");
    let cancel = scene.wallet.prepare_cancel(sent, NEXT, false).expect("it can be replaced");
    let extra = bump.review().fee - bump.review().replaced_fee.expect("it replaces");
    assert_eq!(
        diagnosis.remedies,
        [
            Remedy::Wait,
            Remedy::Bump { fee: bump.review().fee, extra, rate: bump.review().fee_rate },
            Remedy::Accelerate { fee: child.review().fee, rate: child.review().fee_rate },
            Remedy::Cancel { fee: cancel.review().fee },
        ]
    );
    // A full mempool dropped it.
    scene.wallet.mempool_minimum = Some(FeeRate::from_sat_per_vb(3));
    let diagnosis = scene.wallet.diagnose(sent, false).expect("known");
    assert_eq!(diagnosis.standing, Standing::NotKnown);
    assert!(matches!(diagnosis.reasons[..], [Reason::BelowMinimum { .. }]), "{:?}", diagnosis.reasons);
    assert_eq!(diagnosis.remedies.first(), Some(&Remedy::Rebroadcast));
    assert_eq!(diagnosis.remedies.last(), Some(&Remedy::Abandon));
    // What spends from it waits for it.
    let child = scene.pay(COIN).compute_txid();
    let diagnosis = scene.wallet.diagnose(child, true).expect("known");
    assert!(
        diagnosis
            .reasons
            .iter()
            .any(|reason| matches!(reason, Reason::WaitsForParents { parents, .. } if *parents == [sent]))
    );
    // Replaced, then confirmed.
    let new = scene.carry_out(&bump.clone()).compute_txid();
    assert_eq!(
        scene.wallet.diagnose(sent, false).expect("known").standing,
        Standing::Replaced { by: new, confirmed: false }
    );
    let tx = scene.records[&new].tx.clone();
    scene.records.remove(&child);
    scene.tell(tx, Some(2));
    scene.sync_to(2).expect("nothing wrong");
    assert_eq!(
        scene.wallet.diagnose(sent, false).expect("known").standing,
        Standing::Replaced { by: new, confirmed: true }
    );
    assert!(matches!(scene.wallet.diagnose(new, true).expect("known").standing, Standing::Confirmed { .. }));
    assert_eq!(scene.wallet.unsettled(), [], "what spent from the old one fell with it");
}
