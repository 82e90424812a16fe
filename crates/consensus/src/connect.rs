//! What a block does to the coins, and whether it may.
//!
//! In:    a checked block, the branch below it, the coins that [`coins_needed`] asked for.
//! Out:   [`BlockEffects`]: coins created and spent, undo data, fees, and the scripts still to be run.
//! Never: scripts themselves. The caller runs each [`ScriptCheck`], on the threads that it has.
//!
//! Start at [`connect_block`].

use std::collections::HashSet;

use mycoin_primitives::{
    Amount, Block, BlockUndo, Coin, Height, IdMap, IdSet, IdState, MAX_MONEY, Network, OutPoint, Transaction, Txid,
};
use mycoin_script::{ScriptFlags, signature_operation_cost};

use crate::{
    BlockRuleError, CheckedBlock, HeaderBranch, MAX_BLOCK_SIGNATURE_OPERATION_COST, ScriptCheck, TxRuleError,
    block_subsidy, check_sequence_locks, check_spend, is_unspendable, script_flags,
};

/// Coins by where they were made.
pub type Coins = IdMap<OutPoint, Coin>;

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
    /// What its scripts are held to.
    flags: ScriptFlags,
}

impl BlockEffects {
    /// The scripts that must hold for the block to be valid, one check per transaction after the coinbase. `checked` is the block
    /// whose effects these are.
    pub fn script_checks<'a>(&'a self, checked: &'a CheckedBlock) -> Vec<ScriptCheck<'a>> {
        let ids = checked.txids().iter().zip(checked.wtxids());
        let transactions = checked.block().txdata.iter().zip(ids).enumerate().skip(1);
        let checks = transactions.zip(&self.undo.spent).map(|((index, (tx, (txid, wtxid))), spent)| ScriptCheck {
            tx,
            index,
            txid: *txid,
            wtxid: *wtxid,
            spent,
            flags: self.flags,
        });
        checks.collect()
    }
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
    let mut needed = Vec::with_capacity(checked.txids().len() * 2);
    let mut within: IdSet<Txid> = IdSet::with_capacity_and_hasher(checked.txids().len(), IdState::default());
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
pub fn coins_overwritten(checked: &CheckedBlock, coins: &Coins) -> Vec<OutPoint> {
    let transactions = || checked.block().txdata.iter().zip(checked.txids()).filter(|(tx, _)| !tx.is_coinbase());
    let block: IdSet<&Txid> = checked.txids().iter().collect();
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
    coins: Coins,
) -> Result<BlockEffects, BlockRuleError> {
    let height = branch.tip_height().next();
    check_overwrites_nothing(checked, &coins)?;
    let flags = script_flags(network, height);
    let view = View::new(checked, coins);
    let mut connecting = Connecting { network, branch, height, flags, view, cost: 0 };
    let spending = checked.txids().len().saturating_sub(1);
    let mut effects = BlockEffects {
        created: Vec::new(),
        spent: Vec::new(),
        undo: BlockUndo { spent: Vec::with_capacity(spending) },
        fees: Amount::ZERO,
        flags,
    };
    for (index, (tx, txid)) in checked.block().txdata.iter().zip(checked.txids()).enumerate() {
        connecting.transaction(index, tx, *txid, &mut effects)?;
    }
    check_coinbase_amount(checked.block(), block_subsidy(network, height), effects.fees)?;
    (effects.created, effects.spent) = connecting.view.net_effect();
    Ok(effects)
}

/// Only a coinbase could repeat an id whose outputs are unspent, since any other would have to spend again what its first
/// copy spent; and BIP34 keeps coinbases apart. All are looked at, so that the reason for refusing is Bitcoin's.
///
/// Source: BIP30; Bitcoin Core `ConnectBlock`, validation.cpp.
fn check_overwrites_nothing(checked: &CheckedBlock, coins: &Coins) -> Result<(), BlockRuleError> {
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
struct View {
    /// The coins from before the block that nothing in it has spent yet.
    before: Coins,
    /// Coins of the block's own transactions, in the order in which they were made; those that are spent again are gone.
    created: Vec<Option<(OutPoint, Coin)>>,
    /// Where the outputs of each of its transactions begin in `created`, and how many they are.
    places: IdMap<Txid, (usize, usize)>,
    /// What was spent of the coins from before the block, in order.
    spent_before: Vec<OutPoint>,
}

impl View {
    fn new(checked: &CheckedBlock, before: Coins) -> Self {
        let outputs = checked.block().txdata.iter().map(|tx| tx.output.len()).sum();
        let spent_before = Vec::with_capacity(before.len());
        let places = IdMap::with_capacity_and_hasher(checked.txids().len(), IdState::default());
        Self { before, created: Vec::with_capacity(outputs), places, spent_before }
    }

    /// A coin that is taken once is not there a second time.
    fn spend(&mut self, outpoint: OutPoint) -> Option<Coin> {
        if let Some((_, coin)) = self.own(&outpoint).and_then(Option::take) {
            return Some(coin);
        }
        let coin = self.before.remove(&outpoint)?;
        self.spent_before.push(outpoint);
        Some(coin)
    }

    /// The place of a coin that the block made.
    fn own(&mut self, outpoint: &OutPoint) -> Option<&mut Option<(OutPoint, Coin)>> {
        let (start, count) = *self.places.get(&outpoint.txid)?;
        let number = usize::try_from(outpoint.vout).ok().filter(|number| *number < count)?;
        self.created.get_mut(start + number)
    }

    /// Adds the outputs of a transaction; `None` for those that can never be spent.
    fn create(&mut self, txid: Txid, coins: impl Iterator<Item = Option<(OutPoint, Coin)>>) {
        let start = self.created.len();
        self.created.extend(coins);
        self.places.insert(txid, (start, self.created.len() - start));
    }

    fn net_effect(self) -> (Vec<(OutPoint, Coin)>, Vec<OutPoint>) {
        (self.created.into_iter().flatten().collect(), self.spent_before)
    }
}

/// A block on its way into the coins.
struct Connecting<'a> {
    network: &'a Network,
    branch: &'a dyn HeaderBranch,
    height: Height,
    flags: ScriptFlags,
    view: View,
    cost: u64,
}

impl Connecting<'_> {
    fn transaction(
        &mut self,
        index: usize,
        tx: &Transaction,
        txid: Txid,
        effects: &mut BlockEffects,
    ) -> Result<(), BlockRuleError> {
        let mut coins = Vec::new();
        if !tx.is_coinbase() {
            let in_block = |error| BlockRuleError::Transaction { index, txid, error };
            coins = self.spend_inputs(tx).map_err(in_block)?;
            let fee = check_spend(tx, &coins, self.network, self.height).map_err(in_block)?;
            effects.fees = match effects.fees.checked_add(fee) {
                Some(fees) if fees <= MAX_MONEY => fees,
                Some(_) | None => return Err(BlockRuleError::FeesOutOfRange { index }),
            };
            check_sequence_locks(tx, &coins, self.branch).map_err(in_block)?;
        }
        self.cost += signature_operation_cost(tx, coins.iter().map(|coin| &coin.output), self.flags);
        if self.cost > MAX_BLOCK_SIGNATURE_OPERATION_COST {
            return Err(BlockRuleError::TooManySignatureOperations { index, cost: self.cost });
        }
        if !tx.is_coinbase() {
            effects.undo.spent.push(coins);
        }
        self.create_outputs(tx, txid);
        Ok(())
    }

    fn spend_inputs(&mut self, tx: &Transaction) -> Result<Vec<Coin>, TxRuleError> {
        let mut coins = Vec::with_capacity(tx.input.len());
        for (input, spending) in tx.input.iter().enumerate() {
            let outpoint = spending.previous_output;
            let coin = self.view.spend(outpoint);
            coins.push(coin.ok_or(TxRuleError::InputMissingOrSpent { input, outpoint })?);
        }
        Ok(coins)
    }

    fn create_outputs(&mut self, tx: &Transaction, txid: Txid) {
        let (height, is_coinbase) = (self.height, tx.is_coinbase());
        let coins = outpoints(txid, tx).zip(&tx.output).map(|(outpoint, output)| {
            let is_coin = !is_unspendable(&output.script_pubkey);
            is_coin.then(|| (outpoint, Coin { output: output.clone(), height, is_coinbase }))
        });
        self.view.create(txid, coins);
    }
}
