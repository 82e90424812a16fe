//! Transactions between one node and peers that are played from a script.

use std::sync::Arc;
use std::time::Duration;

use mycoin_p2p::{
    Action, BlockVerdict, DisconnectReason, Event, Host as _, Message, Offence, PackageVerdict, PeerId,
    TransactionVerdict, World as _,
};
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{FeeRate, Transaction, Txid, Wtxid};

use crate::protocol::{Script, asked, branch, commands, dropped, sent, version};
use crate::toy::{mine, payment, root, waiting};

/// A peer that a person named.
const NAMED: u64 = 90;

impl Script {
    /// The peer that a person named, with a complete handshake.
    fn named_friend(&mut self) {
        self.event(Event::Tick);
        let target = Some("friend:1".to_owned());
        self.event(Event::Connected { peer: PeerId(NAMED), address: ([10, 9, 0, 1], 1).into(), target });
        self.says(NAMED, version(NAMED, 70_016));
        self.says(NAMED, Message::WtxidRelay);
        self.says(NAMED, Message::Verack);
        self.wait(1);
    }

    /// The server's answer about a transaction.
    fn judged(&mut self, peer: u64, transaction: &Arc<Transaction>, verdict: TransactionVerdict) -> Vec<Action> {
        let transaction = Arc::clone(transaction);
        self.event(Event::TransactionVerdict { peer: PeerId(peer), transaction, verdict })
    }

    /// The peer sends a transaction, which is judged.
    fn gives(&mut self, peer: u64, transaction: &Arc<Transaction>, verdict: TransactionVerdict) -> Vec<Action> {
        let actions = self.says(peer, Message::Transaction(Arc::clone(transaction)));
        assert!(submitted(&actions).contains(transaction), "{actions:?}");
        self.judged(peer, transaction, verdict)
    }
}

fn submitted(actions: &[Action]) -> Vec<Arc<Transaction>> {
    let judged = actions.iter().filter_map(|action| match action {
        Action::SubmitTransaction { transaction, .. } => Some(Arc::clone(transaction)),
        _ => None,
    });
    judged.collect()
}

fn pairs(actions: &[Action]) -> Vec<(Arc<Transaction>, Arc<Transaction>)> {
    let pairs = actions.iter().filter_map(|action| match action {
        Action::SubmitPackage { parent, child, .. } => Some((Arc::clone(parent), Arc::clone(child))),
        _ => None,
    });
    pairs.collect()
}

fn by_wtxid(transaction: &Transaction) -> Inventory {
    Inventory::WTx(transaction.compute_wtxid())
}

fn by_txid(transaction: &Transaction) -> Inventory {
    Inventory::WitnessTransaction(transaction.compute_txid())
}

/// What the peer was told of, in order.
fn told(actions: &[Action], peer: u64) -> Vec<Inventory> {
    let lists =
        sent(actions, peer).into_iter().filter_map(|m| if let Message::Inv(list) = m { Some(list) } else { None });
    lists.flatten().copied().collect()
}

fn underpaid() -> TransactionVerdict {
    TransactionVerdict::Underpaid { reason: "min relay fee not met".to_owned() }
}

fn refused() -> TransactionVerdict {
    TransactionVerdict::Refused { reason: "dust".to_owned() }
}

fn missing(parent: &Transaction) -> TransactionVerdict {
    TransactionVerdict::MissingInputs { parents: vec![parent.compute_txid()] }
}

#[test]
fn a_transaction_is_asked_for_once_and_of_the_next_one_when_it_is_withheld() {
    let mut script = Script::new();
    (1..=3).for_each(|peer| script.friend(peer));
    let item = by_wtxid(&payment(root(), 1));
    assert!(script.says(1, Message::Inv(vec![item])).is_empty(), "perhaps a peer of our choice announces it");
    let first = script.wait(2);
    assert_eq!(asked(&first, 1), [item]);
    assert!(script.says(2, Message::Inv(vec![item])).is_empty());
    assert!(script.says(3, Message::Inv(vec![item])).is_empty());
    let later = script.wait(59);
    assert!(asked(&later, 2).is_empty() && asked(&later, 3).is_empty());
    let actions = script.wait(1);
    let second = if asked(&actions, 2) == [item] { 2 } else { 3 };
    let third = 5 - second;
    assert_eq!((asked(&actions, second), asked(&actions, third)), (vec![item], vec![]));
    assert_eq!(asked(&script.says(second, Message::NotFound(vec![item])), third), [item]);
    script.event(Event::Disconnected { peer: PeerId(third) });
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn a_named_peer_is_asked_at_once_and_before_others() {
    let mut script = Script::new();
    script.friend(1);
    script.named_friend();
    let item = by_wtxid(&payment(root(), 1));
    script.says(1, Message::Inv(vec![item]));
    assert_eq!(asked(&script.says(NAMED, Message::Inv(vec![item])), NAMED), [item]);
}

#[test]
fn junk_announcements_do_not_keep_a_transaction_away() {
    let mut script = Script::new();
    (1..=2).for_each(|peer| script.friend(peer));
    let real = by_wtxid(&payment(root(), 1));
    let junk = |i: u32| Inventory::WTx(Wtxid::hash(&i.to_le_bytes()));
    let flood: Vec<Inventory> = std::iter::once(real).chain((0..49_999).map(junk)).collect();
    script.says(1, Message::Inv(flood));
    script.says(1, Message::Inv((49_999..60_000).map(junk).collect()));
    assert_eq!(asked(&script.wait(2), 1).len(), 100, "so many at a time");
    assert_eq!(script.node.requests_under_way(), 5_000, "so many are remembered");
    script.says(2, Message::Inv(vec![real]));
    assert!(asked(&script.wait(60), 2).contains(&real), "within a minute");
    script.event(Event::Disconnected { peer: PeerId(1) });
    script.event(Event::Disconnected { peer: PeerId(2) });
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn announcements_wait_while_the_chain_is_far_behind_and_leave_nothing_when_their_peer_goes() {
    let mut script = Script::new();
    script.friend(1);
    let chain = branch(30, 1);
    script.announces(1, &chain);
    assert!(script.world.is_syncing());
    let junk: Vec<Inventory> = (0..100u32).map(|i| Inventory::WTx(Wtxid::hash(&i.to_le_bytes()))).collect();
    for peer in 2..5 {
        script.friend(peer);
        assert!(asked(&script.says(peer, Message::Inv(junk.clone())), peer).is_empty());
        script.event(Event::Disconnected { peer: PeerId(peer) });
    }
    script.wait(1);
    assert_eq!(script.node.requests_under_way(), 16, "the blocks of the first peer");
    script.says(1, Message::Inv(junk[..3].to_vec()));
    chain.iter().for_each(|block| drop(script.judges(1, block)));
    assert_eq!(asked(&script.wait(3), 1).iter().filter(|item| junk.contains(item)).count(), 3);
}

#[test]
fn transactions_are_announced_by_the_peers_own_name_for_them_and_above_its_fee() {
    let mut script = Script::new();
    (1..=3).for_each(|peer| script.friend(peer));
    script.connect(4, [10, 0, 0, 4]);
    script.says(4, version(4, 70_015));
    script.says(4, Message::Verack);
    script.says(2, Message::FeeFilter(1_001));
    script.says(3, Message::FeeFilter(1_000));
    let transaction = payment(root(), 1);
    let wtxid = by_wtxid(&transaction);
    script.says(1, Message::Inv(vec![wtxid]));
    script.adds(&transaction);
    let actions = script.wait(60);
    assert!(told(&actions, 1).is_empty(), "it has it");
    assert!(told(&actions, 2).is_empty(), "it pays too little for this one");
    assert_eq!(told(&actions, 3), [wtxid]);
    assert_eq!(told(&actions, 4), [Inventory::Transaction(transaction.compute_txid())]);
    assert_eq!(script.node.peers(script.now, &script.world)[1].min_fee_filter, FeeRate::from_sat_per_kvb(1_001));
}

#[test]
fn a_transaction_is_not_to_be_had_before_it_was_announced() {
    let mut script = Script::new();
    script.friend(1);
    let transaction = payment(root(), 1);
    let wish = vec![by_wtxid(&transaction)];
    script.adds(&transaction);
    let drained = Event::Drained { peer: PeerId(1) };
    let early = script.says(1, Message::GetData(wish.clone()));
    assert_eq!(commands(&early, 1), ["notfound"]);
    script.event(drained);
    let actions = script.wait(60);
    assert_eq!(told(&actions, 1), wish);
    assert_eq!(commands(&script.says(1, Message::GetData(wish)), 1), ["tx"]);
}

#[test]
fn what_a_reorganisation_brings_back_is_announced_to_those_who_asked_in_vain() {
    let mut script = Script::new();
    script.friend(1);
    let genesis = script.world.tip().1;
    let transaction = payment(root(), 1);
    let wish = vec![by_wtxid(&transaction)];
    script.adds(&transaction);
    assert_eq!(told(&script.wait(60), 1), wish);
    script.world.mine(1, 7);
    script.event(Event::NewTip);
    assert_eq!(commands(&script.says(1, Message::GetData(wish.clone())), 1), ["notfound"]);
    script.event(Event::Drained { peer: PeerId(1) });
    let first = mine(genesis, 1, 8, Vec::new());
    let second = mine(first.block_hash(), 2, 8, Vec::new());
    for block in [first, second] {
        assert_eq!(script.world.submit_block(Arc::new(block)), BlockVerdict::Accepted);
    }
    script.event(Event::NewTip);
    script.event(Event::TransactionAdded(waiting(&transaction)));
    assert_eq!(told(&script.wait(60), 1), wish);
}

#[test]
fn named_and_local_peers_are_told_with_the_next_tick() {
    let mut script = Script::new();
    script.named_friend();
    script.connect(1, [127, 0, 0, 1]);
    script.says(1, version(1, 70_016));
    script.says(1, Message::WtxidRelay);
    script.says(1, Message::Verack);
    script.wait(1);
    for number in 0..20 {
        let transaction = payment(root(), number);
        script.adds(&transaction);
        let actions = script.event(Event::Tick);
        assert_eq!(told(&actions, NAMED), [by_wtxid(&transaction)]);
        assert_eq!(told(&actions, 1), [by_wtxid(&transaction)]);
    }
}

#[test]
fn peers_that_came_to_us_are_told_at_the_same_moments_about_five_seconds_apart() {
    let mut script = Script::new();
    (1..=2).for_each(|peer| script.friend(peer));
    script.wait(120);
    let (mut waited, mut moments) = (Duration::ZERO, 0u32);
    for number in 0..150 {
        script.adds(&payment(root(), number));
        let start = script.now;
        loop {
            script.now = script.now.after(Duration::from_millis(50));
            let actions = script.event(Event::Tick);
            assert_eq!(told(&actions, 1), told(&actions, 2));
            if !told(&actions, 1).is_empty() {
                break;
            }
        }
        waited += script.now.since(start);
        moments += 1;
    }
    let mean = waited / moments;
    assert!((3_800..6_200).contains(&mean.as_millis()), "{mean:?}");
}

#[test]
fn seventy_are_announced_at_once_and_no_child_before_its_parent() {
    let mut script = Script::new();
    script.friend(1);
    script.wait(60);
    let mut chain = Vec::new();
    for number in 0..69 {
        chain.push(payment(root(), number));
    }
    chain.push(payment(chain[68].compute_txid(), 0));
    chain.push(payment(chain[69].compute_txid(), 0));
    for transaction in &chain {
        script.adds(transaction);
    }
    let mut batches = Vec::new();
    while batches.iter().map(Vec::len).sum::<usize>() < 71 {
        let batch = told(&script.wait(1), 1);
        if !batch.is_empty() {
            batches.push(batch);
        }
    }
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [70, 1]);
    let all = batches.concat();
    let place = |transaction: &Transaction| all.iter().position(|item| *item == by_wtxid(transaction));
    assert!(place(&chain[68]) < place(&chain[69]) && place(&chain[69]) < place(&chain[70]));
}

#[test]
fn all_that_waits_is_told_to_named_peers_alone() {
    let mut script = Script::new();
    script.friend(1);
    script.named_friend();
    let transaction = payment(root(), 1);
    script.adds(&transaction);
    assert_eq!(told(&script.says(NAMED, Message::Mempool), NAMED), [by_wtxid(&transaction)]);
    let reason = DisconnectReason::Misbehaved(Offence::MempoolRequest);
    assert_eq!(dropped(&script.says(1, Message::Mempool), 1), Some(&reason));
}

#[test]
fn an_orphans_parents_are_asked_for_from_all_who_announced_it() {
    let mut script = Script::new();
    (1..=3).for_each(|peer| script.friend(peer));
    let parent = Arc::new(payment(root(), 1));
    let child = Arc::new(payment(parent.compute_txid(), 2));
    script.says(1, Message::Inv(vec![by_wtxid(&child)]));
    script.says(2, Message::Inv(vec![by_wtxid(&child)]));
    let actions = script.wait(2);
    let asked_first = if asked(&actions, 1).is_empty() { 2 } else { 1 };
    script.gives(asked_first, &child, missing(&parent));
    script.says(3, Message::Inv(vec![by_wtxid(&child)]));
    let mut givers = vec![1, 2, 3];
    let mut actions = script.wait(5);
    while !givers.is_empty() {
        let turn = givers.iter().position(|peer| asked(&actions, *peer) == [by_txid(&parent)]);
        let peer = givers.remove(turn.unwrap_or_else(|| panic!("one of {givers:?} is asked: {actions:?}")));
        actions = script.says(peer, Message::NotFound(vec![by_txid(&parent)]));
    }
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn an_orphan_is_judged_again_when_its_parent_comes_one_at_a_time() {
    let mut script = Script::new();
    script.friend(1);
    let parent = Arc::new(payment(root(), 1));
    let children: Vec<Arc<Transaction>> =
        (0..100).map(|number| Arc::new(payment(parent.compute_txid(), number))).collect();
    for child in &children {
        script.gives(1, child, missing(&parent));
    }
    script.world.submit_transaction(Arc::clone(&parent));
    let mut actions = script.event(Event::TransactionAdded(waiting(&parent)));
    for left in (0..100).rev() {
        let [next] = &submitted(&actions)[..] else { panic!("one at a time: {actions:?}") };
        assert!(children.contains(next));
        let next = Arc::clone(next);
        actions = script.judged(1, &next, TransactionVerdict::Accepted);
        assert_eq!(submitted(&actions).len(), usize::from(left > 0));
    }
    script.event(Event::Disconnected { peer: PeerId(1) });
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn an_orphan_of_a_parent_that_is_refused_for_good_is_refused() {
    let mut script = Script::new();
    (1..=2).for_each(|peer| script.friend(peer));
    let parent = Arc::new(payment(root(), 1));
    let child = Arc::new(payment(parent.compute_txid(), 2));
    let invalid = TransactionVerdict::Invalid { reason: "bad-txns-vout-empty".to_owned() };
    assert!(dropped(&script.gives(1, &parent, invalid), 1).is_some());
    script.gives(2, &child, missing(&parent));
    assert!(asked(&script.wait(5), 2).is_empty());
    assert!(script.says(2, Message::Inv(vec![by_wtxid(&child)])).is_empty());
    assert!(asked(&script.wait(5), 2).is_empty());
}

#[test]
fn a_parent_that_pays_too_little_is_judged_with_a_child_that_came_before() {
    let mut script = Script::new();
    script.friend(1);
    let parent = Arc::new(payment(root(), 1));
    let child = Arc::new(payment(parent.compute_txid(), 2));
    script.gives(1, &child, missing(&parent));
    assert_eq!(asked(&script.wait(5), 1), [by_txid(&parent)]);
    let actions = script.gives(1, &parent, underpaid());
    assert_eq!(pairs(&actions), [(Arc::clone(&parent), Arc::clone(&child))]);
    let verdict = PackageVerdict { parent: TransactionVerdict::Accepted, child: TransactionVerdict::Accepted };
    let peer = PeerId(1);
    script.event(Event::PackageVerdict { peer, parent: Arc::clone(&parent), child: Arc::clone(&child), verdict });
    script.event(Event::TransactionAdded(waiting(&parent)));
    assert!(submitted(&script.event(Event::TransactionAdded(waiting(&child)))).is_empty());
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn a_parent_that_paid_too_little_is_fetched_again_for_its_child_and_each_pair_is_judged_once() {
    let mut script = Script::new();
    script.friend(1);
    let parent = Arc::new(payment(root(), 1));
    let child = Arc::new(payment(parent.compute_txid(), 2));
    assert!(pairs(&script.gives(1, &parent, underpaid())).is_empty());
    assert!(script.says(1, Message::Inv(vec![by_wtxid(&parent)])).is_empty());
    assert!(asked(&script.wait(5), 1).is_empty(), "not wanted alone");
    script.gives(1, &child, missing(&parent));
    assert_eq!(asked(&script.wait(5), 1), [by_txid(&parent)]);
    let again = Message::Transaction(Arc::clone(&parent));
    let actions = script.says(1, again.clone());
    assert!(submitted(&actions).is_empty(), "it was judged alone");
    assert_eq!(pairs(&actions).len(), 1);
    let verdict = PackageVerdict { parent: underpaid(), child: missing(&parent) };
    let peer = PeerId(1);
    let failed = Event::PackageVerdict { peer, parent: Arc::clone(&parent), child: Arc::clone(&child), verdict };
    assert!(pairs(&script.event(failed)).is_empty());
    assert!(pairs(&script.says(1, again)).is_empty(), "that pair had its turn");
    // Another child may pay more.
    let rich = Arc::new(payment(parent.compute_txid(), 3));
    script.gives(1, &rich, missing(&parent));
    script.wait(5);
    let actions = script.says(1, Message::Transaction(Arc::clone(&parent)));
    assert_eq!(pairs(&actions), [(Arc::clone(&parent), rich)]);
}

#[test]
fn children_of_others_are_not_paired() {
    let mut script = Script::new();
    (1..=2).for_each(|peer| script.friend(peer));
    let parent = Arc::new(payment(root(), 1));
    let child = Arc::new(payment(parent.compute_txid(), 2));
    script.gives(2, &child, missing(&parent));
    assert!(pairs(&script.gives(1, &parent, underpaid())).is_empty());
}

#[test]
fn two_hundred_transactions_of_a_peer_are_judged_at_once_pushed_or_asked_for() {
    let mut script = Script::new();
    (1..=2).for_each(|peer| script.friend(peer));
    let push = |number| Message::Transaction(Arc::new(payment(Txid::all_zeros(), number)));
    let taken: usize = (0..199).map(|number| script.says(1, push(number)).len()).sum();
    assert_eq!(taken, 199);
    assert_eq!(script.says(1, push(199)).len(), 1);
    let late = Arc::new(payment(Txid::all_zeros(), 200));
    script.says(1, Message::Inv(vec![by_wtxid(&late)]));
    script.says(2, Message::Inv(vec![by_wtxid(&late)]));
    let actions = script.wait(2);
    let first = if asked(&actions, 1).is_empty() { 2 } else { 1 };
    let actions = script.says(1, Message::Transaction(Arc::clone(&late)));
    assert!(submitted(&actions).is_empty());
    if first == 1 {
        assert_eq!(asked(&actions, 2), [by_wtxid(&late)], "the other is asked at once");
    }
    assert_eq!(submitted(&script.says(2, Message::Transaction(Arc::clone(&late)))), [late]);
}

#[test]
fn what_was_refused_is_not_asked_for_again_until_the_tip_changes() {
    for verdict in [refused(), underpaid()] {
        let mut script = Script::new();
        (1..=2).for_each(|peer| script.friend(peer));
        let transaction = Arc::new(payment(root(), 1));
        let item = by_wtxid(&transaction);
        let actions = script.gives(1, &transaction, verdict);
        assert!(actions.is_empty(), "nobody is blamed for another policy");
        script.says(2, Message::Inv(vec![item]));
        assert!(asked(&script.wait(5), 2).is_empty());
        script.event(Event::NewTip);
        script.says(1, Message::Inv(vec![item]));
        assert_eq!(asked(&script.wait(2), 1), [item]);
    }
}

#[test]
fn a_refused_witness_does_not_keep_the_same_payment_with_another_away() {
    let mut script = Script::new();
    for peer in 1..=2 {
        script.connect(peer, [10, 0, 0, peer as u8]);
        script.says(peer, version(peer, 70_015));
        script.says(peer, Message::Verack);
    }
    script.wait(1);
    let good = Arc::new(payment(root(), 1));
    let mut torn = good.as_ref().clone();
    torn.input[0].witness.push([1]);
    let torn = Arc::new(torn);
    let name = Inventory::Transaction(good.compute_txid());
    script.says(1, Message::Inv(vec![name]));
    script.says(2, Message::Inv(vec![name]));
    let actions = script.wait(3);
    let (first, second) = if asked(&actions, 1).is_empty() { (2, 1) } else { (1, 2) };
    let actions = script.gives(first, &torn, refused());
    assert_eq!(asked(&actions, second), [by_txid(&good)]);
    script.gives(second, &good, TransactionVerdict::Accepted);
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn a_hundred_thousand_requests_that_ran_out_leave_nothing_behind() {
    let mut script = Script::new();
    script.connect(1, [10, 0, 0, 1]);
    script.says(1, version(1, 70_016));
    script.says(1, Message::WtxidRelay);
    script.says(1, Message::Verack);
    let mut fetched = 0;
    for round in 0..20u32 {
        let junk = (0..5_000).map(|i| Inventory::WTx(Wtxid::hash(&(round * 5_000 + i).to_le_bytes())));
        script.says(1, Message::Inv(junk.collect()));
        for _ in 0..52 {
            script.now = script.now.after(Duration::from_secs(60));
            let actions = script.event(Event::Tick);
            assert_eq!(dropped(&actions, 1), None);
            for message in sent(&actions, 1) {
                if let Message::Ping(nonce) = message {
                    script.says(1, Message::Pong(*nonce));
                }
            }
            fetched += asked(&actions, 1).len();
        }
    }
    assert_eq!((fetched, script.node.requests_under_way()), (100_000, 0));
}

#[test]
fn what_is_being_judged_is_not_asked_for_from_others() {
    let mut script = Script::new();
    (1..=2).for_each(|peer| script.friend(peer));
    let transaction = Arc::new(payment(root(), 1));
    script.says(1, Message::Transaction(Arc::clone(&transaction)));
    script.says(2, Message::Inv(vec![by_wtxid(&transaction)]));
    assert!(asked(&script.wait(10), 2).is_empty());
    let actions = script.judged(1, &transaction, TransactionVerdict::Failed { reason: "disk".to_owned() });
    assert_eq!(asked(&actions, 2), [by_wtxid(&transaction)], "nobody knows what it is");
}
