//! What a block does to the coins, and whether it may.
//!
//! In:    a checked block, the branch below it, the coins that [`coins_needed`] asked for.
//! Out:   [`BlockEffects`]: coins created and spent, undo data, fees, and the scripts still to be run.
//! Never: scripts themselves. The caller runs each [`ScriptCheck`], on the threads that it has.
//!
//! Start at [`connect_block`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mycoin_primitives::{
    Amount, Block, BlockUndo, Coin, Height, MAX_MONEY, Network, OutPoint, Transaction, Txid, Wtxid,
};
use mycoin_script::{ScriptFlags, signature_operation_cost};

use crate::{
    BlockRuleError, CheckedBlock, HeaderBranch, MAX_BLOCK_SIGNATURE_OPERATION_COST, ScriptCheck, TxRuleError,
    block_subsidy, check_sequence_locks, check_spend, is_unspendable, script_flags,
};

/// What connecting a block changes.
#[derive(Debug, Clone)]
pub struct BlockEffects {
    /// Coins that exist after the block and did not before, in block order.
    pub created: Vec<(OutPoint, Coin)>,
    /// Coins that existed before the block and do not after, in block order.
    pub spent: Vec<OutPoint>,
    /// Every coin that it spends, those that it created itself included.
    pub undo: BlockUndo,
    /// The fees of its transactions together.
    pub fees: Amount,
    /// The scripts that must hold for the block to be valid, one check per transaction after the coinbase.
    pub script_checks: Vec<ScriptCheck>,
}

/// The coins that [`connect_block`] has to be given if they exist: what inputs spend from outside the block, and the
/// coins that the block would create, which must not exist (BIP30).
pub fn coins_needed(block: &Block) -> Vec<OutPoint> {
    let mut needed = Vec::new();
    let mut within: HashSet<Txid> = HashSet::with_capacity(block.txdata.len());
    for tx in &block.txdata {
        let txid = tx.compute_txid();
        needed.extend(outpoints(txid, tx));
        if !tx.is_coinbase() {
            let spent = tx.input.iter().map(|input| input.previous_output);
            needed.extend(spent.filter(|outpoint| !within.contains(&outpoint.txid)));
        }
        within.insert(txid);
    }
    needed
}

/// Those of [`coins_needed`] that inputs spend, and the coinbase's outputs.
pub fn coins_spent(checked: &CheckedBlock) -> Vec<OutPoint> {
    let mut needed = Vec::new();
    let mut within: HashSet<Txid> = HashSet::with_capacity(checked.txids().len());
    for (tx, txid) in checked.block().txdata.iter().zip(checked.txids()) {
        if tx.is_coinbase() {
            needed.extend(outpoints(*txid, tx));
        } else {
            let spent = tx.input.iter().map(|input| input.previous_output);
            needed.extend(spent.filter(|outpoint| !within.contains(&outpoint.txid)));
        }
        within.insert(*txid);
    }
    needed
}

/// The rest of [`coins_needed`], as far as any of it can exist; `coins` holds what exists of [`coins_spent`].
///
/// None, where every input has its coin: a transaction whose copy has unspent outputs spends what that copy spent, or
/// outputs of one in the block of which the same holds. Such a coin would have to be made again, which leads back to a
/// repeated coinbase; and coinbases differ by their height (BIP34). So this costs nothing for a block that is valid, while the
/// reason for refusing another one stays Bitcoin's.
pub fn coins_overwritten(checked: &CheckedBlock, coins: &HashMap<OutPoint, Coin>) -> Vec<OutPoint> {
    let transactions = || checked.block().txdata.iter().zip(checked.txids()).filter(|(tx, _)| !tx.is_coinbase());
    let block: HashSet<&Txid> = checked.txids().iter().collect();
    let has_coin = |outpoint: &OutPoint| coins.contains_key(outpoint) || block.contains(&outpoint.txid);
    if transactions().all(|(tx, _)| tx.input.iter().all(|input| has_coin(&input.previous_output))) {
        return Vec::new();
    }
    transactions().flat_map(|(tx, txid)| outpoints(*txid, tx)).collect()
}

fn outpoints(txid: Txid, tx: &Transaction) -> impl Iterator<Item = OutPoint> {
    (0..tx.output.len()).filter_map(move |vout| Some(OutPoint { txid, vout: u32::try_from(vout).ok()? }))
}

/// Checks the block's transactions against the coins, and says what it changes.
///
/// `branch` ends in the block's parent. `coins` holds, of what [`coins_needed`] names, all that exists; more does no harm.
/// The block is valid if this succeeds and each of the [`BlockEffects::script_checks`] does.
///
/// # Errors
///
/// [`BlockRuleError`] names the first rule that it breaks, in Bitcoin Core's order but for the scripts, which come last.
///
/// Source: Bitcoin Core `Chainstate::ConnectBlock`, validation.cpp.
pub fn connect_block(
    checked: &CheckedBlock,
    network: &Network,
    branch: &dyn HeaderBranch,
    coins: &HashMap<OutPoint, Coin>,
) -> Result<BlockEffects, BlockRuleError> {
    let height = branch.tip_height().next();
    check_overwrites_nothing(checked, coins)?;
    let flags = script_flags(network, height);
    let mut connecting = Connecting { checked, network, branch, height, flags, coins, view: View::default(), cost: 0 };
    let mut effects = BlockEffects {
        created: Vec::new(),
        spent: Vec::new(),
        undo: BlockUndo::default(),
        fees: Amount::ZERO,
        script_checks: Vec::new(),
    };
    let ids = checked.txids().iter().copied().zip(checked.wtxids().iter().copied());
    for (index, (tx, ids)) in checked.block().txdata.iter().zip(ids).enumerate() {
        connecting.transaction(index, tx, ids, &mut effects)?;
    }
    check_coinbase_amount(checked.block(), block_subsidy(network, height), effects.fees)?;
    (effects.created, effects.spent) = connecting.view.net_effect();
    Ok(effects)
}

/// Only a coinbase could repeat an id whose outputs are unspent, since any other would have to spend again what its first
/// copy spent; and BIP34 keeps coinbases apart. All are looked at, so that the reason for refusing is Bitcoin's.
///
/// Source: BIP30; Bitcoin Core `ConnectBlock`, validation.cpp.
fn check_overwrites_nothing(checked: &CheckedBlock, coins: &HashMap<OutPoint, Coin>) -> Result<(), BlockRuleError> {
    let transactions = checked.block().txdata.iter().zip(checked.txids());
    let overwrites = |txid, tx| outpoints(txid, tx).any(|outpoint| coins.contains_key(&outpoint));
    match transactions.into_iter().find(|(tx, txid)| overwrites(**txid, tx)) {
        Some((_, txid)) => Err(BlockRuleError::OverwritesUnspent { txid: *txid }),
        None => Ok(()),
    }
}

fn check_coinbase_amount(block: &Block, subsidy: Amount, fees: Amount) -> Result<(), BlockRuleError> {
    let outputs = block.txdata.first().map(|coinbase| coinbase.output.as_slice()).unwrap_or_default();
    let paid: Amount = outputs.iter().map(|output| output.value).sum();
    let allowed = subsidy.checked_add(fees).unwrap_or(MAX_MONEY);
    if paid > allowed { Err(BlockRuleError::CoinbaseAmount { paid, allowed }) } else { Ok(()) }
}

/// The coins as the block's transactions so far have changed them.
#[derive(Default)]
struct View {
    /// Coins of the block's own transactions, in the order in which they were made.
    created: Vec<(OutPoint, Coin)>,
    /// Where each stands in `created`.
    places: HashMap<OutPoint, usize>,
    /// What was spent, of the block's own coins too.
    spent: HashSet<OutPoint>,
    /// What was spent of the coins from before the block, in order.
    spent_before: Vec<OutPoint>,
}

impl View {
    fn spend(&mut self, outpoint: OutPoint, before: &HashMap<OutPoint, Coin>) -> Option<Coin> {
        if self.spent.contains(&outpoint) {
            return None;
        }
        let coin = match self.places.get(&outpoint) {
            Some(place) => self.created.get(*place)?.1.clone(),
            None => {
                let coin = before.get(&outpoint)?.clone();
                self.spent_before.push(outpoint);
                coin
            }
        };
        self.spent.insert(outpoint);
        Some(coin)
    }

    fn create(&mut self, outpoint: OutPoint, coin: Coin) {
        self.places.insert(outpoint, self.created.len());
        self.created.push((outpoint, coin));
    }

    fn net_effect(self) -> (Vec<(OutPoint, Coin)>, Vec<OutPoint>) {
        let Self { mut created, spent, spent_before, .. } = self;
        created.retain(|(outpoint, _)| !spent.contains(outpoint));
        (created, spent_before)
    }
}

/// A block on its way into the coins.
struct Connecting<'a> {
    checked: &'a CheckedBlock,
    network: &'a Network,
    branch: &'a dyn HeaderBranch,
    height: Height,
    flags: ScriptFlags,
    coins: &'a HashMap<OutPoint, Coin>,
    view: View,
    cost: u64,
}

impl Connecting<'_> {
    fn transaction(
        &mut self,
        index: usize,
        tx: &Transaction,
        (txid, wtxid): (Txid, Wtxid),
        effects: &mut BlockEffects,
    ) -> Result<(), BlockRuleError> {
        let mut spent = Vec::new();
        if !tx.is_coinbase() {
            let in_block = |error| BlockRuleError::Transaction { index, txid, error };
            let coins = self.spend_inputs(tx).map_err(in_block)?;
            let fee = check_spend(tx, &coins, self.network, self.height).map_err(in_block)?;
            effects.fees = match effects.fees.checked_add(fee) {
                Some(fees) if fees <= MAX_MONEY => fees,
                Some(_) | None => return Err(BlockRuleError::FeesOutOfRange { index }),
            };
            check_sequence_locks(tx, &coins, self.branch).map_err(in_block)?;
            spent = coins.iter().map(|coin| coin.output.clone()).collect();
            effects.undo.spent.push(coins);
        }
        self.cost += signature_operation_cost(tx, &spent, self.flags);
        if self.cost > MAX_BLOCK_SIGNATURE_OPERATION_COST {
            return Err(BlockRuleError::TooManySignatureOperations { index, cost: self.cost });
        }
        if !tx.is_coinbase() {
            let block = Arc::clone(self.checked.block());
            effects.script_checks.push(ScriptCheck::new(block, index, txid, wtxid, spent, self.flags));
        }
        self.create_outputs(tx, txid);
        Ok(())
    }

    fn spend_inputs(&mut self, tx: &Transaction) -> Result<Vec<Coin>, TxRuleError> {
        let mut coins = Vec::with_capacity(tx.input.len());
        for (input, spending) in tx.input.iter().enumerate() {
            let outpoint = spending.previous_output;
            let coin = self.view.spend(outpoint, self.coins);
            coins.push(coin.ok_or(TxRuleError::InputMissingOrSpent { input, outpoint })?);
        }
        Ok(coins)
    }

    fn create_outputs(&mut self, tx: &Transaction, txid: Txid) {
        for (outpoint, output) in outpoints(txid, tx).zip(&tx.output) {
            if !is_unspendable(&output.script_pubkey) {
                let coin = Coin { output: output.clone(), height: self.height, is_coinbase: tx.is_coinbase() };
                self.view.create(outpoint, coin);
            }
        }
    }
}
