//! The honest nodes: the real protocol over the real chain, started, stopped, mining, paying.

use std::collections::BTreeMap;
use std::hash::Hash as _;
use std::path::PathBuf;
use std::sync::Arc;

use mycoin_p2p::{Action, DisconnectReason, Event, Node, NodeConfig, PeerId, Time, encode};
use mycoin_primitives::Transaction;
use mycoin_server::offline::{OfflineNode, set_thread_time};
use mycoin_testkit::keys::Key;
use rand::Rng as _;

use super::{Happening, Simulation, contents};
use crate::wire::{command, frame};

/// What is wrong with a node that is meant to be honest, to show that the invariants see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// It never tells of a block.
    KeepsBlocks,
    /// It never tells of a transaction.
    KeepsTransactions,
    /// It changes the blocks that it gives.
    ChangesBlocks,
}

/// A node of the real protocol over the real chain.
pub(crate) struct Honest {
    /// Neither is there while it is down.
    pub(super) running: Option<(Node, OfflineNode)>,
    folder: PathBuf,
    connect: Vec<String>,
    /// Its clock minus the true one, in milliseconds.
    skew: i64,
    /// Grows with each start, so that nothing that belonged to the run before reaches the next one.
    pub(super) epoch: u64,
    pub(super) links: BTreeMap<PeerId, (u64, usize)>,
    judging_until: u64,
    saved_addresses: Vec<u8>,
    saved_mempool: Vec<u8>,
    pub(crate) defect: Option<Defect>,
}

impl Simulation {
    /// Lets a node's process begin.
    pub(crate) fn start(&mut self, actor: usize) {
        let (now, network, signatures) = (self.now, self.network.clone(), Arc::clone(&self.signatures));
        let seed = self.rng.random();
        let prefix = Arc::clone(&self.prefix);
        let Some(honest) = self.honest_mut(actor) else { return };
        if honest.running.is_some() {
            return;
        }
        let local = honest.local(now);
        set_thread_time(Some(seconds(local)));
        let is_new = !honest.folder.exists();
        let chain = OfflineNode::open(&honest.folder, &network, &signatures, &honest.saved_mempool)
            .expect("its folder is whole, as after any stop");
        if is_new {
            for block in prefix.iter().skip(1) {
                chain.submit_block(Arc::clone(block)).expect("the common beginning is valid");
            }
            let _told_to_nobody = chain.take_news();
        }
        let config = NodeConfig {
            connect: honest.connect.clone(),
            dial_learned: true,
            addresses: honest.saved_addresses.clone(),
            seed,
            ..NodeConfig::default()
        };
        honest.running = Some((Node::new(config, Time::from_unix_millis(local)), chain));
        honest.epoch += 1;
        let epoch = honest.epoch;
        self.counts.restarts += 1;
        self.note(|| format!("{actor} starts"));
        self.plan(0, Happening::Tick { actor, epoch });
    }

    /// Ends a node's process: in order, or as a loss of power does, when nothing is saved any more.
    pub(crate) fn stop(&mut self, actor: usize, in_order: bool) {
        let Some(honest) = self.honest_mut(actor) else { return };
        let Some((node, chain)) = honest.running.take() else { return };
        if in_order {
            honest.saved_addresses = node.addresses();
            honest.saved_mempool = chain.dump_mempool();
        }
        let links: Vec<u64> = honest.links.values().map(|(link, _)| *link).collect();
        self.note(|| format!("{actor} stops"));
        for link in links {
            self.cut(link, None);
        }
    }

    pub(super) fn handle(&mut self, actor: usize, event: Event) {
        let now = self.now;
        let Some(honest) = self.honest_mut(actor) else { return };
        let local = honest.local(now);
        let Some((node, chain)) = &mut honest.running else { return };
        set_thread_time(Some(seconds(local)));
        let actions = node.handle(Time::from_unix_millis(local), event, chain.host());
        for action in actions {
            self.act(actor, action);
        }
    }

    fn act(&mut self, actor: usize, action: Action) {
        match action {
            Action::Send { peer, message } => {
                self.note(|| format!("{actor} to {peer}: {}", message.command()));
                let bytes = encode(self.network.magic, &message);
                if let Some(bytes) = self.with_defect(actor, bytes) {
                    self.send(actor, peer, bytes);
                }
            }
            Action::Connect { target } => {
                (self.now, actor, &target).hash(&mut self.digest);
                let Some(epoch) = self.honest(actor).map(|honest| honest.epoch) else { return };
                let is_known = target.parse().is_ok_and(|address| self.by_address.contains_key(&address));
                // Where nobody is, nobody says so.
                let wait = if is_known { self.rng.random_range(10..300) } else { 5_000 };
                self.plan(wait, Happening::Dialled { actor, epoch, target });
            }
            Action::Disconnect { peer, reason } => {
                (self.now, actor, peer.0, format!("{reason:?}")).hash(&mut self.digest);
                self.let_go(actor, peer, &reason);
            }
            submit => {
                let (now, wait) = (self.now, self.rng.random_range(1..10));
                let Some(honest) = self.honest_mut(actor) else { return };
                let at = honest.judging_until.max(now) + wait;
                honest.judging_until = at;
                let epoch = honest.epoch;
                self.plan_at(at, Happening::Judge { actor, epoch, action: submit });
            }
        }
    }

    fn let_go(&mut self, actor: usize, peer: PeerId, reason: &DisconnectReason) {
        let Some((id, side)) = self.link_of(actor, peer) else { return };
        let Some(other) = self.links.get(&id).map(|link| link.ends[1 - side].actor) else { return };
        self.note(|| format!("{actor} lets {other} go: {reason}"));
        if self.honest(other).is_none() {
            self.counts.dropped_hostile += 1;
        } else if matches!(reason, DisconnectReason::Misbehaved(_) | DisconnectReason::Garbled(_)) {
            self.faults.push(format!("node {actor} blames honest node {other}: {reason} ({reason:?})"));
        }
        self.cut(id, Some(actor));
    }

    /// What leaves a node that may have a defect.
    fn with_defect(&self, actor: usize, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let defect = self.honest(actor).and_then(|honest| honest.defect);
        match (defect, command(&bytes)) {
            (Some(Defect::KeepsBlocks), "headers" | "inv" | "block" | "cmpctblock" | "blocktxn") => None,
            (Some(Defect::KeepsTransactions), "inv" | "tx") => None,
            (Some(Defect::ChangesBlocks), "block") => {
                let payload = bytes.split_off(24);
                let mut payload = payload;
                if let Some(last) = payload.last_mut() {
                    // The lock time of the last transaction.
                    *last ^= 1;
                }
                Some(frame(self.network.magic, "block", &payload))
            }
            _ => Some(bytes),
        }
    }

    pub(super) fn judge(&mut self, actor: usize, epoch: u64, action: Action) {
        let now = self.now;
        let Some(honest) = self.honest(actor).filter(|honest| honest.epoch == epoch) else { return };
        let local = honest.local(now);
        let Some((_, chain)) = &honest.running else { return };
        set_thread_time(Some(seconds(local)));
        let host = chain.host();
        let event = match action {
            Action::SubmitHeaders { peer, headers } => Event::HeadersVerdict {
                peer,
                last: headers.last().expect("headers are judged only when there are any").block_hash(),
                count: headers.len(),
                verdict: host.submit_headers(&headers),
            },
            Action::SubmitBlock { peer, block } => {
                Event::BlockVerdict { peer, hash: block.block_hash(), verdict: host.submit_block(block.whole()) }
            }
            Action::SubmitTransaction { peer, transaction } => {
                let verdict = host.submit_transaction(Arc::clone(&transaction));
                Event::TransactionVerdict { peer, transaction, verdict }
            }
            Action::SubmitPackage { peer, parent, child } => {
                let verdict = host.submit_package(Arc::clone(&parent), Arc::clone(&child));
                Event::PackageVerdict { peer, parent, child, verdict }
            }
            other => panic!("the simulation does not know {other:?}"),
        };
        self.tell_news(actor);
        self.handle(actor, event);
    }

    /// Tells a node's peers what changed in it, as the server does: before the verdict that changed it.
    fn tell_news(&mut self, actor: usize) {
        let Some(news) = self.chain(actor).map(OfflineNode::take_news) else { return };
        for transaction in news.added {
            self.handle(actor, Event::TransactionAdded(transaction));
        }
        if news.is_tip_new {
            self.note(|| format!("{actor} has a new tip"));
            self.handle(actor, Event::NewTip);
        }
    }

    /// Lets a node mine a block of what waits there.
    pub(crate) fn mine(&mut self, actor: usize) {
        let Some(honest) = self.honest(actor) else { return };
        set_thread_time(Some(seconds(honest.local(self.now))));
        let extra_nonce = self.rng.random();
        let Some(chain) = self.chain(actor) else { return };
        match chain.mine(Key::taproot(1).script(), extra_nonce) {
            Ok(block) => {
                self.note(|| format!("{actor} mines {}", block.block_hash()));
                self.counts.blocks += 1;
                self.blocks.extend([contents(&block)]);
                for other in 0..self.actors.len() {
                    let block = Arc::clone(&block);
                    self.plan(1, Happening::HearBlock { actor: other, block });
                }
                self.tell_news(actor);
            }
            // Its chain does not go on, which the tips will show.
            Err(reason) => self.faults.push(format!("node {actor} mined a block that it refuses: {reason}")),
        }
    }

    /// Gives a node a payment, as a wallet does.
    pub(crate) fn pay(&mut self, actor: usize, transaction: &Arc<Transaction>) -> Result<(), String> {
        let Some(honest) = self.honest(actor) else { return Err("it is no node".to_owned()) };
        set_thread_time(Some(seconds(honest.local(self.now))));
        let Some(chain) = self.chain(actor) else { return Err("it is down".to_owned()) };
        chain.submit_transaction(Transaction::clone(transaction))?;
        self.note(|| format!("{actor} takes payment {}", transaction.compute_wtxid()));
        self.counts.payments += 1;
        for other in 0..self.actors.len() {
            let transaction = Arc::clone(transaction);
            self.plan(1, Happening::HearTransaction { actor: other, transaction });
        }
        self.tell_news(actor);
        Ok(())
    }
}

impl Honest {
    pub(super) fn new(folder: PathBuf, connect: Vec<String>, skew: i64) -> Self {
        Self {
            running: None,
            folder,
            connect,
            skew,
            epoch: 0,
            links: BTreeMap::new(),
            judging_until: 0,
            saved_addresses: Vec::new(),
            saved_mempool: Vec::new(),
            defect: None,
        }
    }

    /// What its clock shows, in milliseconds since 1970.
    fn local(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.skew)
    }
}

fn seconds(millis: u64) -> u32 {
    u32::try_from(millis / 1_000).unwrap_or(u32::MAX)
}
