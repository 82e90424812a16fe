//! The wallet as a whole, against a chain that the tests make up.

pub(crate) mod faults;
mod fix;
mod keep;
mod keys;
mod notes;
mod old_files;
mod proxy;
mod psbt;
mod selection;
mod views;

use std::collections::BTreeMap;
use std::path::Path;

use mycoin_files::FilesError;
use mycoin_light::{Tip, TxRecord, TxStatus};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{
    Amount, BlockHash, FeeRate, Height, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid,
    Witness, address_of, parse_address,
};
use mycoin_script::{PrecomputedTransaction, ScriptFlags, verify_input};

use crate::sync::Findings;
use crate::{
    Balance, EntryKind, EntryState, FeeChoice, KeyKind, Passphrase, Password, PaymentError, PaymentRequest,
    RecoveryWords, SyncError, SyncReport, Unlock, Wallet, WalletError, WalletFolder, WalletKeys, WalletName, Warning,
};

const COIN: u64 = 100_000_000;

fn password() -> Password {
    Password::new("correct horse").expect("not empty")
}

fn name(text: &str) -> WalletName {
    WalletName::parse(text).expect("a good name")
}

fn folder(path: &Path, network: &Network) -> WalletFolder {
    WalletFolder::at(path.join("wallets"), network.clone()).with_cheap_passwords()
}

/// A wallet, and the made-up chain that it is told of.
struct Scene {
    _tmp: tempfile::TempDir,
    folder: WalletFolder,
    wallet: Wallet,
    records: BTreeMap<Txid, TxRecord>,
    tip: u32,
    /// Blocks at and above this height are of another branch.
    fork: u32,
    now: u64,
    undone: Vec<Height>,
}

impl Scene {
    fn new(kind: KeyKind, network: &Network) -> Self {
        Self::start(network, |folder| folder.create(&name("alice"), kind, &password()).map(|created| created.wallet))
    }

    fn with_keys(keys: &WalletKeys, network: &Network) -> Self {
        Self::start(network, |folder| folder.create_from_keys(&name("alice"), keys, &password()))
    }

    fn start(network: &Network, create: impl FnOnce(&WalletFolder) -> Result<Wallet, WalletError>) -> Self {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let folder = folder(tmp.path(), network);
        let wallet = create(&folder).expect("a free name");
        Self {
            _tmp: tmp,
            folder,
            wallet,
            records: BTreeMap::new(),
            tip: 0,
            fork: u32::MAX,
            now: 1_000_000,
            undone: Vec::new(),
        }
    }

    fn block(&self, height: u32) -> BlockHash {
        match height {
            0 => self.wallet.network().genesis.hash,
            _ if height >= self.fork => BlockHash::hash(format!("other {height}").as_bytes()),
            _ => BlockHash::hash(format!("block {height}").as_bytes()),
        }
    }

    fn own_script(&mut self) -> ScriptBuf {
        let address = self.wallet.next_address().expect("written").address;
        parse_address(&address, self.wallet.network()).expect("our own address")
    }

    fn tell(&mut self, tx: Transaction, height: Option<u32>) -> Txid {
        let txid = tx.compute_txid();
        let status = height.map_or(TxStatus::Waiting, |height| TxStatus::Confirmed {
            height: Height::new(height),
            block_hash: self.block(height),
            block_time: 500_000 + height,
        });
        let spent = vec![None; tx.input.len()];
        self.records.insert(txid, TxRecord { tx, txid, status, spent, fee: None });
        txid
    }

    /// Somebody pays the wallet's next address.
    fn receive(&mut self, sats: u64, height: Option<u32>) -> Txid {
        let script = self.own_script();
        let from = OutPoint { txid: Txid::hash(&[sats.to_le_bytes(), self.now.to_le_bytes()].concat()), vout: 0 };
        self.tell(payment(from, script, sats), height)
    }

    fn reward(&mut self, sats: u64, height: u32) -> Txid {
        let script = self.own_script();
        let mut tx = payment(OutPoint::null(), script, sats);
        tx.input[0].script_sig = ScriptBuf::from_bytes(height.to_le_bytes().to_vec());
        self.tell(tx, Some(height))
    }

    fn sync_to(&mut self, tip: u32) -> Result<SyncReport, SyncError> {
        self.tip = tip;
        self.now += 100;
        let tip = Tip { height: Height::new(tip), hash: self.block(tip) };
        let records = self.records.values().cloned().collect();
        let undone = std::mem::take(&mut self.undone);
        let (waiting, used, fee_estimates) = Default::default();
        let findings = Findings { undone, tip, records, waiting, used, fee_estimates };
        self.wallet.take_in(findings, self.now)
    }

    /// Replaces the blocks from `height` on by others; what they held waits again.
    fn reorganise(&mut self, height: u32) {
        self.undone =
            self.wallet.ledger.blocks().map(|(height, _)| height).filter(|at| at.to_u32() >= height).collect();
        self.fork = height;
        for record in self.records.values_mut().filter(|record| record.status.height() >= Some(Height::new(height))) {
            record.status = TxStatus::Waiting;
        }
        self.records.retain(|_, record| record.status.is_confirmed() || !record.tx.is_coinbase());
    }

    fn request_to(&self, script: ScriptBuf, amount: u64, fee: FeeChoice) -> PaymentRequest {
        let address = address_of(&script, self.wallet.network()).unwrap_or_default();
        PaymentRequest::to(script, address, Amount::from_sat(amount), fee)
    }

    fn request(&self, amount: u64, rate: u64) -> PaymentRequest {
        self.request_to(stranger(), amount, FeeChoice::Rate(FeeRate::from_sat_per_vb(rate)))
    }

    /// Prepares, signs, checks and notes a payment, as a person would.
    fn pay(&mut self, amount: u64) -> Transaction {
        let draft = self.wallet.prepare(&self.request(amount, 2)).expect("enough coins");
        let tx = self.wallet.sign(&draft, &password()).expect("right password");
        let (size, shown) = (tx.vsize() as u64, draft.review().vsize);
        match self.wallet.kind() {
            KeyKind::Words | KeyKind::Rsa { .. } => assert_eq!(size, shown, "the size that was shown is the size"),
            // Of the older signatures some are a few bytes shorter than others.
            _ => assert!((shown - 3 * tx.input.len() as u64..=shown).contains(&size), "{size} of at most {shown}"),
        }
        // Old-style inputs are signed inside of what the id covers.
        let is_old_style = tx.input.iter().any(|input| !input.script_sig.is_empty());
        assert_eq!(tx.compute_txid() == draft.unsigned().compute_txid(), !is_old_style);
        self.check_signatures(&tx);
        self.wallet.note_sent_at(&tx, self.now).expect("written");
        self.tell(tx.clone(), None);
        tx
    }

    fn check_signatures(&self, tx: &Transaction) {
        let spent: Vec<TxOut> = tx
            .input
            .iter()
            .map(|input| {
                let parent = &self.records[&input.previous_output.txid].tx;
                parent.output[input.previous_output.vout as usize].clone()
            })
            .collect();
        let data = PrecomputedTransaction::new(tx, spent);
        for input in 0..tx.input.len() {
            verify_input(&data, input, ScriptFlags::consensus(self.wallet.network())).expect("a valid signature");
        }
    }

    fn balance(&self) -> [u64; 3] {
        let Balance { spendable, waiting, immature, total } = self.wallet.balance();
        assert_eq!(total, spendable + waiting + immature);
        [spendable, waiting, immature].map(Amount::to_sat)
    }

    fn reopen(self) -> Self {
        let Self { _tmp, folder, wallet, records, tip, fork, now, undone } = self;
        let before = (wallet.balance(), wallet.history(), wallet.addresses(), wallet.tip());
        drop(wallet);
        let wallet = folder.open(&name("alice"), Unlock::ViewKey).expect("the viewing key is there");
        assert_eq!((wallet.balance(), wallet.history(), wallet.addresses(), wallet.tip()), before);
        Self { _tmp, folder, wallet, records, tip, fork, now, undone }
    }
}

fn payment(from: OutPoint, script_pubkey: ScriptBuf, sats: u64) -> Transaction {
    let input =
        TxIn { previous_output: from, script_sig: ScriptBuf::new(), sequence: Sequence::MAX, witness: Witness::new() };
    let output = vec![TxOut { value: Amount::from_sat(sats), script_pubkey }];
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output }
}

fn stranger() -> ScriptBuf {
    ScriptBuf::from_bytes([&[0, 20][..], &[9; 20]].concat())
}

#[test]
fn a_new_wallet_is_empty_and_its_address_stays_until_it_is_used() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    assert_eq!(scene.balance(), [0, 0, 0]);
    let first = scene.wallet.next_address().expect("written");
    assert_eq!(scene.wallet.next_address().expect("written"), first);
    scene.receive(COIN, None);
    scene.sync_to(1).expect("nothing wrong");
    let second = scene.wallet.next_address().expect("written");
    assert_eq!((first.index, second.index), (0, 1));
    let used: Vec<bool> = scene.wallet.addresses().iter().map(|address| address.used).collect();
    assert_eq!(used, [true, false]);
    let _ = scene.reopen();
}

#[test]
fn coins_wait_until_a_block_holds_them() {
    for kind in [KeyKind::Words, KeyKind::Rsa { bits: 2048 }] {
        let mut scene = Scene::new(kind, &Network::demo());
        let txid = scene.receive(5 * COIN, None);
        scene.sync_to(3).expect("nothing wrong");
        assert_eq!(scene.balance(), [0, 5 * COIN, 0]);
        let entry = scene.wallet.history().remove(0);
        assert_eq!((entry.kind, entry.state, entry.amount), (EntryKind::Received, EntryState::Waiting, 500_000_000));
        let tx = scene.records[&txid].tx.clone();
        scene.tell(tx, Some(4));
        let report = scene.sync_to(5).expect("nothing wrong");
        assert_eq!((report.new_transactions, report.newly_confirmed, report.vanished), (0, 1, 0));
        assert_eq!(scene.balance(), [5 * COIN, 0, 0]);
        let entry = scene.wallet.history().remove(0);
        assert_eq!((entry.state, entry.confirmations, entry.height), (EntryState::Confirmed, 2, Some(Height::new(4))));
        let _ = scene.reopen();
    }
}

#[test]
fn block_rewards_ripen_as_the_network_says() {
    let mut demo = Scene::new(KeyKind::Words, &Network::demo());
    demo.reward(50 * COIN, 5);
    demo.sync_to(5).expect("nothing wrong");
    assert_eq!(demo.balance(), [50 * COIN, 0, 0], "a maturity of 1 lets the next block spend it");

    let mut scene = Scene::new(KeyKind::Words, &Network::mycoin());
    scene.reward(50 * COIN, 5);
    scene.sync_to(5).expect("nothing wrong");
    assert_eq!(scene.balance(), [0, 0, 50 * COIN]);
    assert_eq!(scene.wallet.history()[0].state, EntryState::Immature { blocks_left: 99 });
    scene.sync_to(103).expect("nothing wrong");
    assert_eq!(scene.balance(), [0, 0, 50 * COIN]);
    assert_eq!(scene.wallet.history()[0].state, EntryState::Immature { blocks_left: 1 });
    match scene.wallet.prepare(&scene.request(COIN, 1)) {
        Err(error @ PaymentError::NotEnough { .. }) => {
            let text = error.to_string();
            assert!(text.contains("you have 50.00000000") && text.contains("of which 50.00000000"), "{text}");
        }
        _ => panic!("an immature reward cannot be spent"),
    }
    scene.sync_to(104).expect("nothing wrong");
    assert_eq!(scene.balance(), [50 * COIN, 0, 0]);
    let entry = &scene.wallet.history()[0];
    assert_eq!((entry.kind, entry.state, entry.fee), (EntryKind::Reward, EntryState::Confirmed, None));
    scene.pay(COIN);
}

#[test]
fn two_payments_in_a_row_spend_the_waiting_change() {
    for kind in [KeyKind::Words, KeyKind::Rsa { bits: 2048 }] {
        let mut scene = Scene::new(kind, &Network::demo());
        scene.receive(10 * COIN, Some(1));
        scene.sync_to(2).expect("nothing wrong");
        let first = scene.pay(5 * COIN);
        let second = scene.pay(3 * COIN);
        assert_eq!(second.input[0].previous_output.txid, first.compute_txid());
        let [spendable, waiting, immature] = scene.balance();
        assert!((spendable < 2 * COIN) && (spendable > 2 * COIN - 10_000), "our own change can be spent at once");
        assert_eq!([waiting, immature], [0, 0]);
        let history = scene.wallet.history();
        assert_eq!(history.len(), 3);
        for entry in &history[..2] {
            assert_eq!((entry.kind, entry.state), (EntryKind::Sent, EntryState::Waiting));
            assert_eq!(entry.counterparties.len(), 1);
            let fee = i64::try_from(entry.fee.expect("all coins are known").to_sat()).expect("small");
            assert!(entry.amount == -500_000_000 - fee || entry.amount == -300_000_000 - fee);
        }
        let mut scene = scene.reopen();
        for record in [&first, &second] {
            scene.tell(record.clone(), Some(3));
        }
        let report = scene.sync_to(3).expect("nothing wrong");
        assert_eq!(report.newly_confirmed, 2);
        assert_eq!(scene.balance(), [spendable, 0, 0]);
    }
}

#[test]
fn every_size_of_rsa_key_spends() {
    for bits in [3072, 4096] {
        let mut scene = Scene::new(KeyKind::Rsa { bits }, &Network::demo());
        scene.receive(COIN, Some(1));
        scene.receive(2 * COIN, Some(1));
        scene.sync_to(1).expect("nothing wrong");
        let tx = scene.pay(2 * COIN + COIN / 2);
        assert_eq!(tx.input.len(), 2);
    }
}

#[test]
fn a_reorganisation_takes_confirmations_and_rewards_back() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    scene.receive(COIN, Some(1));
    scene.receive(2 * COIN, Some(3));
    scene.reward(50 * COIN, 4);
    scene.sync_to(4).expect("nothing wrong");
    assert_eq!(scene.balance(), [53 * COIN, 0, 0]);
    scene.reorganise(3);
    let report = scene.sync_to(5).expect("nothing wrong");
    assert_eq!((report.blocks_undone, report.vanished), (2, 0));
    assert_eq!(scene.balance(), [COIN, 2 * COIN, 0]);
    let mut scene = scene.reopen();
    // The same transaction in a block of the other branch.
    let waiting = scene.wallet.history()[0].txid;
    let tx = scene.records[&waiting].tx.clone();
    scene.tell(tx, Some(5));
    scene.sync_to(6).expect("nothing wrong");
    assert_eq!(scene.balance(), [3 * COIN, 0, 0]);
    // A branch that is lower, without it.
    scene.reorganise(2);
    scene.records.remove(&waiting);
    let report = scene.sync_to(1).expect("nothing wrong");
    assert_eq!(report.vanished, 1);
    assert_eq!((scene.balance(), scene.wallet.tip()), ([COIN, 0, 0], Height::new(1)));
    let _ = scene.reopen();
}

#[test]
fn what_vanishes_is_gone_but_a_payment_of_ours_is_kept() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    scene.receive(10 * COIN, Some(1));
    let incoming = scene.receive(COIN, None);
    scene.sync_to(1).expect("nothing wrong");
    let sent = scene.pay(4 * COIN);
    let rest = scene.balance()[0];
    // Nobody shows either of them any more.
    scene.records.remove(&incoming);
    scene.records.remove(&sent.compute_txid());
    let report = scene.sync_to(1).expect("nothing wrong");
    assert_eq!(report.vanished, 1);
    assert_eq!(scene.balance(), [rest, 0, 0], "a node may still confirm ours, so its coin is not free");
    assert_eq!(scene.wallet.history().len(), 2);
    // Another program with the same words spends the coin otherwise.
    let other = payment(sent.input[0].previous_output, scene.own_script(), 9 * COIN);
    scene.tell(other, Some(2));
    scene.sync_to(2).expect("nothing wrong");
    assert_eq!(scene.balance(), [9 * COIN, 0, 0]);
    let _ = scene.reopen();
}

#[test]
fn a_replaced_payment_gives_way_to_its_replacement() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    let script = scene.own_script();
    let from = OutPoint { txid: Txid::all_zeros(), vout: 7 };
    let first = scene.tell(payment(from, script.clone(), 1_000), None);
    scene.sync_to(1).expect("nothing wrong");
    scene.records.remove(&first);
    scene.tell(payment(from, script, 900), None);
    scene.sync_to(1).expect("nothing wrong");
    assert_eq!(scene.balance(), [0, 900, 0]);
}

#[test]
fn answers_that_contradict_change_nothing() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    scene.receive(COIN, Some(1));
    scene.sync_to(2).expect("nothing wrong");
    let before = (scene.balance(), scene.wallet.history());
    let honest = scene.records.clone();

    // A block above the tip.
    scene.receive(COIN, Some(9));
    assert!(matches!(scene.sync_to(3), Err(SyncError::Contradiction { .. })));
    scene.records = honest.clone();
    // A reward in no block.
    let script = scene.own_script();
    scene.tell(payment(OutPoint::null(), script.clone(), COIN), None);
    assert!(matches!(scene.sync_to(3), Err(SyncError::Contradiction { .. })));
    scene.records = honest.clone();
    // A payment in our name, to hide our coins, with no signature.
    let ours = *honest.keys().next().expect("one coin");
    scene.tell(payment(OutPoint { txid: ours, vout: 0 }, stranger(), COIN), None);
    assert!(matches!(scene.sync_to(3), Err(SyncError::Contradiction { .. })));
    scene.records = honest;

    assert_eq!((scene.balance(), scene.wallet.history()), before);
    scene.sync_to(3).expect("an honest proxy is believed again");
    let _ = scene.reopen();
}

#[test]
fn what_cannot_be_paid_is_explained() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    scene.receive(COIN, Some(1));
    scene.receive(3 * COIN, None);
    scene.sync_to(1).expect("nothing wrong");
    let refused = |scene: &Scene, request: &PaymentRequest| scene.wallet.prepare(request).expect_err("not payable");
    assert!(matches!(refused(&scene, &scene.request(0, 1)), PaymentError::AmountIsZero));
    let dust = refused(&scene, &scene.request(293, 1)).to_string();
    assert!(dust.contains("0.00000293") && dust.contains("0.00000294"), "{dust}");
    let error = refused(&scene, &scene.request(2 * COIN, 1)).to_string();
    assert!(error.contains("needs 2.000000"), "{error}");
    assert!(error.ends_with("you have 4.00000000 DEMO, of which 3.00000000 DEMO is waiting for a block"), "{error}");
    let request = PaymentRequest { fee: FeeChoice::Rate(FeeRate::from_sat_per_kvb(99)), ..scene.request(COIN / 2, 1) };
    assert!(matches!(refused(&scene, &request), PaymentError::FeeTooLow { .. }));
    let request = scene.request_to(ScriptBuf::from_bytes(vec![0x51]), COIN / 2, FeeChoice::Target { blocks: 6 });
    assert!(matches!(refused(&scene, &request), PaymentError::RecipientNotStandard));

    let draft = scene.wallet.prepare(&scene.request(COIN / 2, 1)).expect("enough coins");
    let wrong = Password::new("wrong").expect("not empty");
    assert!(matches!(scene.wallet.sign(&draft, &wrong), Err(PaymentError::Wallet(WalletError::WrongPassword))));
    scene.pay(COIN / 4);
    assert!(matches!(scene.wallet.sign(&draft, &password()), Err(PaymentError::DraftOutdated)));
}

#[test]
fn the_review_adds_up_and_warns() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    scene.receive(COIN, Some(1));
    scene.sync_to(7).expect("nothing wrong");
    let draft = scene.wallet.prepare(&scene.request(COIN / 2, 2)).expect("enough coins");
    let review = draft.review();
    assert_eq!(review.total, review.amount + review.fee);
    assert_eq!(review.total + review.change, Amount::from_sat(COIN));
    assert_eq!(review.balance_after, review.change);
    assert_eq!(review.fee, FeeRate::from_sat_per_vb(2).fee_for(review.vsize));
    assert!(review.warnings.is_empty());
    assert_eq!(draft.unsigned().lock_time.to_consensus_u32(), 7);
    assert!(draft.unsigned().input.iter().all(|input| input.sequence.is_rbf()));

    let small = scene.wallet.prepare(&scene.request(10_000, 100)).expect("enough coins");
    assert!(matches!(small.review().warnings[..], [Warning::HighFee { percent: 100.. }]));
    let request = PaymentRequest { fee: FeeChoice::Target { blocks: 6 }, ..scene.request(COIN / 2, 1) };
    let guessed = scene.wallet.prepare(&request).expect("enough coins");
    assert_eq!(guessed.review().warnings, [Warning::NoFeeEstimate]);
    let own = scene.own_script();
    let rate = FeeChoice::Rate(FeeRate::from_sat_per_vb(2));
    let to_self = scene.wallet.prepare(&scene.request_to(own, COIN / 2, rate));
    let review = to_self.expect("enough coins").review().clone();
    assert_eq!(review.warnings, [Warning::PaysSelf]);
    assert_eq!(review.balance_after, Amount::from_sat(COIN) - review.fee);

    scene.wallet.fee_estimates =
        [(1, 20_000), (5, 4_000), (12, 50)].map(|(blocks, rate)| (blocks, FeeRate::from_sat_per_kvb(rate))).into();
    for (blocks, rate) in [(1, 20_000), (4, 20_000), (6, 4_000), (100, 100)] {
        let request = PaymentRequest { fee: FeeChoice::Target { blocks }, ..scene.request(COIN / 2, 1) };
        let review = scene.wallet.prepare(&request).expect("enough coins").review().clone();
        assert_eq!(review.fee, FeeRate::from_sat_per_kvb(rate).fee_for(review.vsize));
    }
}

#[test]
fn words_restore_the_same_wallet() {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = folder(tmp.path(), &Network::demo());
    let mut created = folder.create(&name("old"), KeyKind::Words, &password()).expect("a free name");
    let words: Vec<&str> = created.words.as_ref().expect("words").words().collect();
    let words = RecoveryWords::parse(&words.join(" ")).expect("our own words");
    let mut restored = folder.create_from_words(&name("new"), &words, &password()).expect("a free name");
    assert_eq!(restored.next_address().expect("written"), created.wallet.next_address().expect("written"));
}

#[test]
fn wallets_are_listed_locked_and_guarded() {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = folder(tmp.path(), &Network::demo());
    assert_eq!(folder.list().expect("no folder yet"), []);
    assert!(matches!(folder.open(&name("a"), Unlock::ViewKey), Err(WalletError::NotFound { .. })));
    let open = folder.create(&name("b"), KeyKind::Words, &password()).expect("a free name").wallet;
    let kind = KeyKind::Rsa { bits: 2048 };
    drop(folder.create(&name("a"), kind, &password()).expect("a free name"));
    let listed = folder.list().expect("ours");
    let seen: Vec<_> = listed.iter().map(|wallet| (wallet.name.as_str(), wallet.kind, wallet.locked)).collect();
    assert_eq!(seen, [("a", Some(kind), false), ("b", Some(KeyKind::Words), false)]);

    assert!(matches!(folder.open(&name("b"), Unlock::ViewKey), Err(WalletError::InUse { .. })));
    let before = std::fs::read(folder.path().join("a.wallet")).expect("ours");
    assert!(matches!(folder.create(&name("a"), kind, &password()), Err(WalletError::Exists { .. })));
    assert_eq!(std::fs::read(folder.path().join("a.wallet")).expect("ours"), before);

    drop(open);
    folder.lock(&name("b")).expect("removed");
    folder.lock(&name("b")).expect("nothing to remove");
    assert!(matches!(folder.open(&name("b"), Unlock::ViewKey), Err(WalletError::Locked { .. })));
    let wrong = Password::new("wrong").expect("not empty");
    assert!(matches!(folder.open(&name("b"), Unlock::Password(&wrong)), Err(WalletError::WrongPassword)));
    drop(folder.open(&name("b"), Unlock::Password(&password())).expect("right password"));
    drop(folder.open(&name("b"), Unlock::ViewKey).expect("the viewing key was written again"));

    // The viewing key of another wallet, or a bent one, opens nothing.
    std::fs::copy(folder.path().join("a.view"), folder.path().join("b.view")).expect("ours");
    assert!(matches!(folder.open(&name("b"), Unlock::ViewKey), Err(WalletError::Locked { .. })));
}

#[test]
fn files_that_others_can_use_or_that_are_of_another_coin_are_refused() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = folder(tmp.path(), &Network::demo());
    drop(folder.create(&name("a"), KeyKind::Words, &password()).expect("a free name"));
    for entry in std::fs::read_dir(folder.path()).expect("ours") {
        let mode = entry.and_then(|entry| entry.metadata()).expect("ours").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(std::fs::metadata(folder.path()).expect("ours").permissions().mode() & 0o777, 0o700);
    let other = WalletFolder::at(folder.path(), Network::mycoin());
    assert!(matches!(other.open(&name("a"), Unlock::ViewKey), Err(WalletError::OtherNetwork { .. })));
    symlink(folder.path().join("a.wallet"), folder.path().join("link.wallet")).expect("a free name");
    assert!(matches!(
        folder.open(&name("link"), Unlock::ViewKey),
        Err(WalletError::Files(FilesError::WrongKind { .. }))
    ));
    for file in ["a.view", "a.wallet"] {
        let path = folder.path().join(file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("ours");
        let opened = folder.open(&name("a"), Unlock::ViewKey);
        assert!(matches!(opened, Err(WalletError::Files(FilesError::OpenToOthers { .. }))), "{file}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
    }
}

#[test]
fn no_secret_stands_in_plain_in_the_folder() {
    for kind in [KeyKind::Words, KeyKind::Rsa { bits: 2048 }] {
        let mut scene = Scene::new(kind, &Network::demo());
        scene.receive(COIN, Some(1));
        scene.sync_to(1).expect("nothing wrong");
        scene.pay(COIN / 2);
        let new = Password::new("another one").expect("not empty");
        scene
            .wallet
            .change_password_at_cost(&password(), &new, crate::vault::KdfParams::cheap())
            .expect("right password");
        scene.wallet.check_password(&new).expect("the new one");
        assert!(matches!(scene.wallet.check_password(&password()), Err(WalletError::WrongPassword)));
        let secret = scene.wallet.secret(&new).expect("right password");
        let mut needles: Vec<Vec<u8>> = vec![b"correct horse".to_vec(), b"another one".to_vec(), b"xprv".to_vec()];
        match RecoveryWords::from_entropy(&secret) {
            Some(words) => {
                let phrase: Vec<&str> = words.words().collect();
                needles.extend([secret.to_vec(), phrase.join(" ").into_bytes()]);
                needles.push(words.seed(&Passphrase::none()).expect("a seed").to_vec());
            }
            // Of a private key's DER, every part in the middle is secret or made of secrets.
            None => needles.extend(secret.chunks(16).skip(20).take(40).map(<[u8]>::to_vec)),
        }
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes();
        needles.push(hex(&secret[..16]));
        for entry in std::fs::read_dir(scene.folder.path()).expect("ours") {
            let bytes = std::fs::read(entry.expect("ours").path()).expect("ours");
            for needle in &needles {
                assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_slice()));
            }
        }
        let _ = scene.reopen();
    }
}

#[test]
fn a_long_log_is_compacted_and_loses_nothing() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    scene.receive(COIN, Some(1));
    let path = scene.folder.path().join("alice.wallet");
    let mut longest = 0;
    for tip in 1..100 {
        scene.sync_to(tip).expect("nothing wrong");
        longest = longest.max(std::fs::metadata(&path).expect("ours").len());
        if tip == 70 {
            assert!(std::fs::metadata(&path).expect("ours").len() < longest / 2);
        }
    }
    let mut scene = scene.reopen();
    scene.pay(COIN / 2);
    let _ = scene.reopen();
}

#[test]
fn a_bent_file_never_shows_a_wrong_balance() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    scene.receive(COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    let folder = scene.folder.clone();
    let Scene { wallet, _tmp, .. } = scene;
    drop(wallet);
    let path = folder.path().join("alice.wallet");
    let whole = std::fs::read(&path).expect("ours");
    for place in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        std::fs::write(&path, &bytes).expect("ours");
        // A changed salt no longer fits the viewing key, but the header's hash is looked at first.
        assert!(
            matches!(folder.open(&name("alice"), Unlock::ViewKey), Err(WalletError::Damaged { .. })),
            "byte {place}"
        );
    }
}

#[test]
fn an_open_wallet_and_its_synchronisation_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    fn check(wallet: &mut Wallet, proxy: &mycoin_light::ProxyClient) {
        is_send(wallet);
        is_send(&wallet.sync(proxy));
    }
    let _ = check;
}
