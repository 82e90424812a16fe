//! One step up: a block becomes the tip.
//!
//! In:    a complete block whose parent is the tip.
//! Out:   one commit of coins, undo data, index and tip; or the rule that the block breaks.
//! Never: a commit before every rule and script of the block holds.

use std::sync::Arc;

use mycoin_consensus::{self as consensus, BlockEffects, BlockRuleError, CheckedBlock, Coins, Verdict};
use mycoin_primitives::bitcoin::consensus::encode;
use mycoin_primitives::{Block, BlockHash, ChainEvent, Coin, IdState, OutPoint};
use mycoin_storage::{Commit, StorageError};

use crate::index::Id;
use crate::{AcceptError, Chain, ChainError};

/// What became of the step.
pub(crate) enum Step {
    /// The block is the tip.
    Connected(ChainEvent),
    /// The block broke a rule.
    Refused(BlockHash, AcceptError),
    /// The block's bytes are gone; it has to be downloaded again.
    Lost,
}

/// What a block does to the coins, or which rule it breaks.
pub(crate) type Effects = Result<BlockEffects, BlockRuleError>;

/// A block that was just checked, so that it need not be read again.
pub(crate) struct Fresh {
    pub(crate) id: Id,
    pub(crate) checked: CheckedBlock,
    /// What it does on top of its parent; `None` where that was not the tip.
    pub(crate) effects: Option<Effects>,
}

impl Chain {
    pub(crate) fn connect(&self, id: Id, fresh: Option<Fresh>) -> Result<Step, ChainError> {
        let (hash, height, parent) = {
            let index = self.index.read();
            let entry = index.get(id);
            (entry.hash, entry.height, entry.parent.ok_or(ChainError::ParentMissing { hash: entry.hash })?)
        };
        let (checked, effects) = match fresh {
            Some(fresh) => (fresh.checked, fresh.effects),
            None => match self.read_checked(id)? {
                Some(checked) => (checked, None),
                None => {
                    self.forget_block(id, hash)?;
                    return Ok(Step::Lost);
                }
            },
        };
        let effects = match effects {
            Some(effects) => effects,
            None => self.check_with_coins(&checked, parent)?,
        };
        let effects = match effects {
            Ok(effects) => effects,
            Err(source) => {
                match consensus::verdict(&source) {
                    Verdict::Invalid => self.mark_invalid(id)?,
                    Verdict::Mutated | Verdict::RetryLater => self.forget_block(id, hash)?,
                }
                return Ok(Step::Refused(hash, AcceptError::Block { hash, source: Box::new(source) }));
            }
        };
        let mut record = self.index.read().get(id).record();
        record.connected = true;
        let commit = Commit {
            index: vec![record],
            created: effects.created,
            spent: effects.spent,
            undo: Some((hash, effects.undo)),
            tip: Some(hash),
            ..Commit::default()
        };
        self.store.commit(&commit)?;
        self.recent.step(commit.spent, commit.created);
        self.index.write().push_tip(id);
        Ok(Step::Connected(ChainEvent::Connected { height, hash, block: Arc::clone(checked.block()) }))
    }

    /// The outer result is the store's, the inner one the rules'.
    pub(crate) fn check_with_coins(&self, checked: &CheckedBlock, parent: Id) -> Result<Effects, ChainError> {
        let mut recent = self.recent.lock();
        // Taken and not copied: if the block is valid, they are spent; if not, the store still has them.
        let stored = |outpoint: &OutPoint| match recent.remove(outpoint) {
            Some(coin) => Ok(Some(coin)),
            None => self.store.coin(outpoint),
        };
        let coins = Self::fetch_coins(checked, stored)?;
        drop(recent);
        let effects = consensus::connect_block(checked, &self.network, &self.index.branch(parent), coins);
        Ok(effects.and_then(|effects| self.scripts.run(&effects.script_checks(checked)).map(|()| effects)))
    }

    /// What `connect_block` asks for, as far as it exists.
    pub(crate) fn fetch_coins(
        checked: &CheckedBlock,
        mut coin: impl FnMut(&OutPoint) -> Result<Option<Coin>, StorageError>,
    ) -> Result<Coins, ChainError> {
        let spent = consensus::coins_spent(checked);
        let mut coins = Coins::with_capacity_and_hasher(spent.len(), IdState::default());
        let mut fetch = |coins: &mut Coins, outpoints: Vec<OutPoint>| -> Result<(), ChainError> {
            for outpoint in outpoints {
                if let Some(coin) = coin(&outpoint)? {
                    coins.insert(outpoint, coin);
                }
            }
            Ok(())
        };
        fetch(&mut coins, spent)?;
        let overwritten = consensus::coins_overwritten(checked, &coins);
        fetch(&mut coins, overwritten)?;
        Ok(coins)
    }

    /// Reads a block that was checked when it was stored. Checked again: whatever fails now is the disk's fault, so `None`.
    fn read_checked(&self, id: Id) -> Result<Option<CheckedBlock>, ChainError> {
        let Some(block) = self.read_block(id)? else { return Ok(None) };
        Ok(self.check_without_coins(id, Arc::new(block)).ok())
    }

    /// Reads a stored block; `None` when it is not stored or not what was stored.
    pub(crate) fn read_block(&self, id: Id) -> Result<Option<Block>, ChainError> {
        let (hash, stored) = {
            let index = self.index.read();
            let entry = index.get(id);
            (entry.hash, entry.stored)
        };
        let Some((position, _)) = stored else { return Ok(None) };
        let Some(bytes) = self.store.read_block(position)? else { return Ok(None) };
        Ok(encode::deserialize::<Block>(&bytes).ok().filter(|block| block.block_hash() == hash))
    }

    pub(crate) fn forget_block(&self, id: Id, hash: BlockHash) -> Result<(), ChainError> {
        tracing::warn!(block = %hash, "a stored block is damaged; it has to be downloaded again");
        self.index.write().forget_block(id);
        self.keep_entries(&[id])
    }
}
