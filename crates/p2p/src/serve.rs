//! What peers are given: blocks and transactions.
//!
//! A peer gets one block, or 250 kB of transactions, and then nothing more until it has read that: what it asks for
//! costs it bandwidth before it costs us memory (CVE-2024-52915 and its kin).

use std::collections::VecDeque;
use std::sync::Arc;

use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::{BlockHash, Transaction};
use rand::rngs::StdRng;

use crate::compact_serve::{Latest, compact_answer};
use crate::filters::serve_filters;
use crate::limits::{GETDATA_MAX, INVENTORY_MAX, SERVED_AT_ONCE, WANTS_MAX};
use crate::message::Message;
use crate::misbehavior::Offence;
use crate::node::{Context, Node};
use crate::peer::TransactionKey;
use crate::{DisconnectReason, PeerId, World};

/// What becomes of one wish.
enum Answer {
    /// The message, and its size in bytes.
    Found(Message, usize),
    /// We don't have it.
    Missing,
    /// It asks for nothing that we know.
    Nothing,
}

fn answer(world: &dyn World, item: &Inventory, latest: &mut Latest, rng: &mut StdRng) -> Answer {
    let block = |hash: &BlockHash| world.block(hash);
    let found = match item {
        Inventory::WitnessBlock(hash) => block(hash).map(|block| (Message::Block(block), SERVED_AT_ONCE)),
        Inventory::CompactBlock(hash) => {
            compact_answer(latest, world, hash, rng).map(|message| (message, SERVED_AT_ONCE))
        }
        Inventory::Block(hash) => block(hash).map(|block| (Message::BlockWithoutWitness(block), SERVED_AT_ONCE)),
        Inventory::WTx(wtxid) => world.transaction(wtxid).map(with_witness),
        Inventory::WitnessTransaction(txid) => world.transaction_by_txid(txid).map(with_witness),
        Inventory::Transaction(txid) => world.transaction_by_txid(txid).map(without_witness),
        Inventory::Error | Inventory::Unknown { .. } => return Answer::Nothing,
    };
    found.map_or(Answer::Missing, |(message, size)| Answer::Found(message, size))
}

fn key_of(item: &Inventory) -> Option<TransactionKey> {
    match item {
        Inventory::WTx(wtxid) => Some(TransactionKey::Wtxid(*wtxid)),
        Inventory::WitnessTransaction(txid) | Inventory::Transaction(txid) => Some(TransactionKey::Txid(*txid)),
        Inventory::Block(_)
        | Inventory::WitnessBlock(_)
        | Inventory::CompactBlock(_)
        | Inventory::Error
        | Inventory::Unknown { .. } => None,
    }
}

fn with_witness(transaction: Arc<Transaction>) -> (Message, usize) {
    let size = transaction.total_size();
    (Message::Transaction(transaction), size)
}

fn without_witness(transaction: Arc<Transaction>) -> (Message, usize) {
    let size = transaction.base_size();
    (Message::TransactionWithoutWitness(transaction), size)
}

impl Node {
    pub(crate) fn data_wanted(&mut self, ctx: &mut Context<'_>, id: PeerId, items: Vec<Inventory>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.wants.len() + items.len() > INVENTORY_MAX {
            self.blame(ctx, id, Offence::TooManyRequests { limit: INVENTORY_MAX });
            return;
        }
        if peer.wants.is_empty() {
            // Takes the list as it is, without a copy.
            peer.wants = items.into();
        } else {
            peer.wants.extend(items);
        }
        self.serve(ctx, id);
        self.limit_wants(ctx);
    }

    /// Lets those go that wait for most, while all together wait for too much; of equals the one that came last.
    fn limit_wants(&mut self, ctx: &mut Context<'_>) {
        while self.peers.values().map(|peer| peer.wants.len()).sum::<usize>() > WANTS_MAX {
            let Some(most) = self.peers.values().max_by_key(|peer| peer.wants.len()).map(|peer| peer.id) else {
                return;
            };
            self.drop_peer(ctx, most, DisconnectReason::WantsMost { limit: WANTS_MAX });
        }
    }

    /// The peer has read all that it got.
    pub(crate) fn drained(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        self.with_peer(id, |peer| peer.is_reading = false);
        self.serve(ctx, id);
    }

    pub(crate) fn serve(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.is_reading {
            return;
        }
        let (mut bytes, mut looked_up, mut missing) = (0, 0, Vec::new());
        while bytes < SERVED_AT_ONCE && looked_up < GETDATA_MAX {
            if peer.wants.front().is_some_and(|item| self.compact.served.waits(item)) {
                break;
            }
            let Some(item) = peer.wants.pop_front() else { break };
            // What the peer was not told of yet is not to be had yet.
            let is_hidden = key_of(&item).is_some_and(|key| !self.transactions.announcing.may_serve(peer, key));
            let found = match is_hidden {
                true => Answer::Missing,
                false => answer(ctx.world, &item, &mut self.compact.served, &mut self.rng),
            };
            match found {
                Answer::Found(message, size) => {
                    if let Message::Block(block) | Message::BlockWithoutWitness(block) = &message {
                        peer.chain.known.insert(block.block_hash());
                    }
                    ctx.send(id, message);
                    bytes += size;
                    looked_up += 1;
                }
                Answer::Missing => {
                    // It does not have it: should a reorganisation bring it back here, that will be news there.
                    if let Some(key) = key_of(&item) {
                        peer.relay.known.remove(&key);
                    }
                    missing.push(item);
                    looked_up += 1;
                }
                Answer::Nothing => {}
            }
        }
        if !missing.is_empty() {
            ctx.send(id, Message::NotFound(missing));
        }
        if peer.wants.is_empty() {
            peer.wants = VecDeque::new();
        }
        // Something was sent, so it will be told when that has left.
        peer.is_reading = looked_up > 0;
        peer.is_reading |= serve_filters(ctx, peer, bytes);
    }
}
