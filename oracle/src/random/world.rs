//! The generator's own view: which coins stand on which block, and valid blocks that spend them in every way.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::rc::Rc;

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::bitcoin::sighash::EcdsaSighashType;
use mycoin_primitives::{Amount, Block, BlockHash, Network, OutPoint, ScriptBuf, Sequence, Transaction, genesis_block};
use mycoin_testkit::block_cases::{Condition, Draft, Lab, Lock, Owned, Payment};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngCore as _};

/// How many blocks back a branch may begin.
const REMEMBERED: usize = 30;

/// An output that can be spent, if it has matured.
#[derive(Debug, Clone)]
pub(super) struct Coin {
    pub(super) owned: Owned,
    pub(super) height: u32,
    pub(super) is_coinbase: bool,
}

/// The coins after a block, in an order that does not depend on the run.
pub(super) type Coins = BTreeMap<OutPoint, Coin>;

/// A block before it is sealed, and what its outputs are.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) parent: BlockHash,
    pub(super) draft: Draft,
    pub(super) spent: Vec<OutPoint>,
    pub(super) created: Vec<(OutPoint, Lock)>,
}

/// A payment, what it spends, and its outputs' kinds.
type Paid = (Transaction, Vec<OutPoint>, Vec<(u32, Lock)>);

/// Everything that the generator knows.
pub(super) struct World {
    pub(super) lab: Lab,
    pub(super) rng: StdRng,
    states: HashMap<BlockHash, Rc<Coins>>,
    recent: Vec<BlockHash>,
    pub(super) tip: BlockHash,
}

impl World {
    pub(super) fn new(rng: StdRng) -> Self {
        let lab = Lab::new(Network::regtest());
        let genesis = genesis_block(lab.network()).block_hash();
        let states = HashMap::from([(genesis, Rc::default())]);
        Self { lab, rng, states, recent: vec![genesis], tip: genesis }
    }

    /// With this probability in percent.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// The coins after a block, if the generator made it valid.
    pub(super) fn coins(&self, block: BlockHash) -> Option<Rc<Coins>> {
        self.states.get(&block).map(Rc::clone)
    }

    /// One of the last valid blocks, of any branch.
    pub(super) fn any_recent(&mut self) -> BlockHash {
        *self.recent.choose(&mut self.rng).unwrap_or(&self.tip)
    }

    /// Notes a valid block, on which others may build.
    pub(super) fn note(&mut self, plan: &Plan, block: &Block) {
        let Some(before) = self.coins(plan.parent) else { return };
        let mut coins = before.as_ref().clone();
        let height = self.lab.height(plan.parent).next().to_u32();
        let outputs = || block.txdata.iter().map(|tx| (tx.compute_txid(), tx));
        let by_txid: HashMap<_, &Transaction> = outputs().collect();
        let coinbase = block.txdata.first().map(Transaction::compute_txid);
        for (outpoint, lock) in &plan.created {
            if let Some(tx) = by_txid.get(&outpoint.txid) {
                let owned = Owned::output(tx, outpoint.vout, lock.clone());
                let is_coinbase = coinbase == Some(outpoint.txid);
                coins.insert(*outpoint, Coin { owned, height, is_coinbase });
            }
        }
        for outpoint in &plan.spent {
            coins.remove(outpoint);
        }
        let hash = block.block_hash();
        self.states.insert(hash, Rc::new(coins));
        self.recent.push(hash);
        if self.recent.len() > REMEMBERED {
            let oldest = self.recent.remove(0);
            if oldest != self.tip {
                self.states.remove(&oldest);
            }
        }
    }

    /// Every kind of output, with one of a few keys.
    pub(super) fn lock(&mut self) -> Lock {
        let key = self.rng.random_range(1..=20);
        let condition = match self.rng.random_range(0..5) {
            0 => Condition::Anyone,
            1 => Condition::Key(key),
            2 => Condition::KeyHash(key),
            3 => {
                let keys: Vec<u8> = (key..key + self.rng.random_range(1..=4)).collect();
                let most = u8::try_from(keys.len()).unwrap_or(1);
                Condition::Multisig { needed: self.rng.random_range(1..=most), keys }
            }
            _ => {
                let script = ScriptBuf::from_bytes(vec![0x63, 0x51, 0x67, 0x51, 0x68]);
                let stack = vec![if self.chance(50) { vec![1] } else { Vec::new() }];
                Condition::Script { script, stack }
            }
        };
        match self.rng.random_range(0..9) {
            0 => Lock::Bare(condition),
            1 => Lock::ScriptHash(condition),
            2 => Lock::WitnessScriptHash(condition),
            3 => Lock::NestedWitnessScriptHash(condition),
            4 => Lock::WitnessKeyHash(key),
            5 => Lock::NestedWitnessKeyHash(key),
            6 => Lock::TaprootKey(key),
            7 => Lock::TaprootScript(match condition {
                Condition::KeyHash(key) | Condition::Key(key) => Condition::Key(key),
                Condition::Multisig { .. } => Condition::Anyone,
                other @ (Condition::Anyone | Condition::Script { .. }) => other,
            }),
            _ => {
                let version = self.rng.random_range(1..=16);
                let bytes = self.rng.random_range(2..=40);
                Lock::FutureWitness { version, bytes: if version == 1 && bytes == 32 { 33 } else { bytes } }
            }
        }
    }

    /// A valid block on `parent` with so many transactions, or fewer if coins run out. `None` if the parent's are forgotten.
    pub(super) fn plan(&mut self, parent: BlockHash, transactions: RangeInclusive<usize>) -> Option<Plan> {
        let coins = self.coins(parent)?;
        let height = self.lab.height(parent).next().to_u32();
        let mut free: Vec<Coin> = coins.values().filter(|coin| matured(coin, height)).cloned().collect();
        let (mut txs, mut spent, mut created) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rng.random_range(transactions) {
            let Some((tx, inputs, locks)) = self.payment(&mut free, parent) else { break };
            spent.extend(inputs);
            for (vout, lock) in locks {
                let outpoint = OutPoint { txid: tx.compute_txid(), vout };
                created.push((outpoint, lock.clone()));
                // The next transactions of the block may spend it.
                free.push(Coin { owned: Owned::output(&tx, vout, lock), height, is_coinbase: false });
            }
            txs.push(tx);
        }
        let mut draft = self.lab.draft(parent, txs);
        let lock = self.lock();
        draft.txdata[0].output[0].script_pubkey = lock.script();
        let takes_all = self.chance(90);
        if !takes_all {
            draft.txdata[0].output[0].value = Amount::ZERO;
        }
        self.head(&mut draft, parent);
        created.push((OutPoint { txid: draft.txdata[0].compute_txid(), vout: 0 }, lock));
        Some(Plan { parent, draft, spent, created })
    }

    /// A version and a time that are allowed. The sum of the steps stays far below the machine's clock.
    fn head(&mut self, draft: &mut Draft, parent: BlockHash) {
        let past = self.lab.median_time_past(parent);
        draft.header.time = match self.rng.random_range(0..4) {
            0 => past + 1,
            1 => past + self.rng.random_range(1..=1_200),
            _ => draft.header.time.max(past + 1),
        };
        draft.header.version = Version::from_consensus(match self.rng.random_range(0..3) {
            0 => self.rng.random_range(4..=i32::MAX),
            _ => 4,
        });
    }

    fn payment(&mut self, free: &mut Vec<Coin>, parent: BlockHash) -> Option<Paid> {
        let mut chosen = Vec::new();
        for _ in 0..self.rng.random_range(1..=4) {
            if free.is_empty() {
                break;
            }
            // New coins are chosen more often, so that chains within a block are long.
            let newest = self.chance(30);
            let place = if newest { free.len() - 1 } else { self.rng.random_range(0..free.len()) };
            chosen.push(free.swap_remove(place));
        }
        if chosen.is_empty() {
            return None;
        }
        let held: u64 = chosen.iter().map(|coin| coin.owned.output.value.to_sat()).sum();
        let outpoints: Vec<OutPoint> = chosen.iter().map(|coin| coin.owned.outpoint).collect();
        let owned = chosen.iter().map(|coin| coin.owned.clone()).collect();
        let mut payment = Payment::of(owned);
        let mut left = held;
        let mut locks = Vec::new();
        for vout in 0..self.rng.random_range(1..=4) {
            let value = self.rng.random_range(0..=left);
            left -= value;
            if self.chance(5) {
                payment = payment.pay(ScriptBuf::from_bytes(vec![0x6a, 1, 2]), Amount::from_sat(value / 1_000));
                continue;
            }
            let lock = self.lock();
            payment = payment.pay(lock.script(), Amount::from_sat(value));
            locks.push((vout, lock));
        }
        let payment = self.locked(payment, &chosen, parent);
        let hash_type = *HASH_TYPES.choose(&mut self.rng)?;
        Some((payment.hash_type(hash_type).sign(), outpoints, locks))
    }

    /// Lock times, sequence numbers and versions that hold.
    fn locked(&mut self, payment: Payment, chosen: &[Coin], parent: BlockHash) -> Payment {
        let height = self.lab.height(parent).next().to_u32();
        let youngest = chosen.iter().map(|coin| height.saturating_sub(coin.height)).min().unwrap_or(0);
        match self.rng.random_range(0..6) {
            0 => {
                let lock_time = LockTime::from_consensus(self.rng.random_range(0..height));
                payment.locked(lock_time, Sequence::ENABLE_LOCKTIME_NO_RBF)
            }
            1 => {
                let past = self.lab.median_time_past(parent);
                payment.locked(LockTime::from_consensus(past - 1), Sequence::ENABLE_LOCKTIME_NO_RBF)
            }
            2 => payment
                .locked(LockTime::ZERO, Sequence::from_consensus(self.rng.random_range(0..=youngest.min(60_000)))),
            3 => {
                let version = if self.chance(50) { 0 } else { 1 };
                let any = self.rng.next_u32();
                payment.version(version).locked(LockTime::ZERO, Sequence::from_consensus(any))
            }
            4 => payment.version(*[i32::MIN, -1, i32::MAX].choose(&mut self.rng).unwrap_or(&2)),
            _ => payment,
        }
    }
}

fn matured(coin: &Coin, height: u32) -> bool {
    !coin.is_coinbase || height - coin.height >= 100
}

const HASH_TYPES: [EcdsaSighashType; 8] = [
    EcdsaSighashType::All,
    EcdsaSighashType::All,
    EcdsaSighashType::All,
    EcdsaSighashType::None,
    EcdsaSighashType::Single,
    EcdsaSighashType::AllPlusAnyoneCanPay,
    EcdsaSighashType::NonePlusAnyoneCanPay,
    EcdsaSighashType::SinglePlusAnyoneCanPay,
];
