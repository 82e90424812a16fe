//! Moving the tip: which branch has the most work, and the steps that make it the best chain.
//!
//! In:    a block index in which something became complete, invalid or valid again.
//! Out:   the best candidate as tip, one atomic commit a step, and the steps as events.
//! Never: a tip that is not the best candidate when a call returns, or a step that was not committed.
//!
//! A branch that breaks a rule half way is marked and left: the next best candidate, mostly the old tip, is taken instead.
//! Source: Bitcoin Core, `Chainstate::ActivateBestChain` and `InvalidateBlock`, validation.cpp.

use mycoin_primitives::{BlockHash, ChainEvent};

use crate::connect::{Fresh, Step};
use crate::index::Id;
use crate::{AcceptError, Accepted, BlockStatus, Chain, ChainError};

/// What making the best candidate the tip brought about.
pub(crate) struct Activation {
    pub(crate) events: Vec<ChainEvent>,
    refused: Vec<(BlockHash, AcceptError)>,
}

impl Activation {
    /// Whether the last thing that it wrote was a step of the tip, and no mark on a block that was refused.
    pub(crate) fn ends_with_a_step(&self) -> bool {
        !self.events.is_empty() && self.refused.is_empty()
    }

    /// What it means for the block whose arrival set it off.
    pub(crate) fn outcome_for(mut self, block: BlockHash, on_best_chain: bool) -> Result<Accepted, AcceptError> {
        let own = self.refused.iter().position(|(hash, _)| *hash == block);
        if self.events.is_empty()
            && let Some(own) = own
        {
            return Err(self.refused.swap_remove(own).1);
        }
        let status = if on_best_chain { BlockStatus::Connected } else { BlockStatus::Stored };
        let refused = self.refused.into_iter().map(|(_, error)| error).collect();
        Ok(Accepted { status, events: self.events, refused })
    }
}

impl Chain {
    /// Marks a block invalid by a person's word, and moves the tip away from it.
    ///
    /// # Errors
    ///
    /// [`ChainError::UnknownBlock`], [`ChainError::GenesisStays`], or a failure of the store.
    pub fn invalidate(&self, hash: &BlockHash) -> Result<Vec<ChainEvent>, ChainError> {
        self.writing(|| {
            let id = self.find(hash)?;
            if self.index.read().get(id).parent.is_none() {
                return Err(ChainError::GenesisStays);
            }
            self.mark_invalid(id)?;
            self.settle()
        })
    }

    /// Takes the mark of invalidity from a block, its ancestors and its descendants, and tries them again.
    ///
    /// # Errors
    ///
    /// [`ChainError::UnknownBlock`], or a failure of the store.
    pub fn reconsider(&self, hash: &BlockHash) -> Result<Vec<ChainEvent>, ChainError> {
        self.writing(|| {
            let id = self.find(hash)?;
            let cleared = self.index.write().clear_invalid(id);
            self.keep_entries(&cleared)?;
            self.settle()
        })
    }

    /// Prefers a block to others whose chains have the same work, by a person's word, until the next start.
    ///
    /// # Errors
    ///
    /// [`ChainError::UnknownBlock`], or a failure of the store.
    pub fn prefer(&self, hash: &BlockHash) -> Result<Vec<ChainEvent>, ChainError> {
        self.writing(|| {
            let id = self.find(hash)?;
            self.index.write().prefer(id);
            self.settle()
        })
    }

    fn find(&self, hash: &BlockHash) -> Result<Id, ChainError> {
        self.index.read().find(hash).ok_or(ChainError::UnknownBlock { hash: *hash })
    }

    /// Makes the best candidate the tip and waits until all of it is on disk.
    pub(crate) fn settle(&self) -> Result<Vec<ChainEvent>, ChainError> {
        let activation = self.activate(None)?;
        self.store.sync()?;
        Ok(activation.events)
    }

    /// Makes the best candidate the tip. The first step, if it is `fresh`, is taken as it was checked.
    pub(crate) fn activate(&self, mut fresh: Option<Fresh>) -> Result<Activation, ChainError> {
        let mut activation = Activation { events: Vec::new(), refused: Vec::new() };
        loop {
            let (tip, best) = {
                let index = self.index.read();
                (index.tip(), index.best_candidate())
            };
            let Some(best) = best.filter(|best| *best != tip) else { break };
            self.move_tip(best, &mut fresh, &mut activation)?;
        }
        self.index.write().drop_overtaken();
        activation.events = net_change(activation.events);
        Ok(activation)
    }

    /// Steps to `target`, or as far as its branch holds.
    fn move_tip(&self, target: Id, fresh: &mut Option<Fresh>, activation: &mut Activation) -> Result<(), ChainError> {
        let (fork, path) = {
            let index = self.index.read();
            let fork = index.fork_with_best(target);
            (fork, index.path(fork, target))
        };
        while self.index.read().tip() != fork {
            activation.events.push(self.disconnect_tip()?);
        }
        for id in path {
            match self.connect(id, fresh.take_if(|fresh| fresh.id == id))? {
                Step::Connected(event) => activation.events.push(event),
                Step::Lost => break,
                Step::Refused(hash, error) => {
                    tracing::warn!(block = %hash, reason = %error, "a block was refused when its branch was tried");
                    activation.refused.push((hash, error));
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Leaves out steps that were taken back by the next: what remains leads straight from the old tip to the new one.
fn net_change(steps: Vec<ChainEvent>) -> Vec<ChainEvent> {
    let mut net: Vec<ChainEvent> = Vec::with_capacity(steps.len());
    for step in steps {
        match (net.last(), &step) {
            (Some(ChainEvent::Connected { hash: last, .. }), ChainEvent::Disconnected { hash, .. })
            | (Some(ChainEvent::Disconnected { hash: last, .. }), ChainEvent::Connected { hash, .. })
                if last == hash =>
            {
                net.pop();
            }
            _ => net.push(step),
        }
    }
    net
}
