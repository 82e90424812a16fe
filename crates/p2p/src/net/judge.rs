//! The thread on which the server judges what peers sent, one thing after the other.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use mycoin_primitives::{Header, Transaction};

use super::connection::Totals;
use super::driver::Input;
use crate::{BlockParts, BlockVerdict, Event, HeadersVerdict, Host, PackageVerdict, PeerId, TransactionVerdict};

/// Something to judge.
#[derive(Debug)]
pub(super) enum Job {
    Headers(PeerId, Vec<Header>),
    Block(PeerId, BlockParts),
    Transaction(PeerId, Arc<Transaction>),
    Package(PeerId, Arc<Transaction>, Arc<Transaction>),
}

/// The thread and the way to it. The queue needs no bound of its own: the protocol bounds what is being judged.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) jobs: Sender<Job>,
    pub(super) thread: JoinHandle<()>,
}

impl Job {
    const fn peer(&self) -> PeerId {
        match self {
            Self::Headers(peer, _) | Self::Block(peer, _) | Self::Transaction(peer, _) | Self::Package(peer, ..) => {
                *peer
            }
        }
    }

    /// What is said when the server panicked over it; `None` when there is nothing to judge.
    fn failed(&self) -> Option<Event> {
        let reason = "a fault inside the server".to_owned();
        Some(match self {
            Self::Headers(peer, headers) => {
                let (last, verdict) = (headers.last()?.block_hash(), HeadersVerdict::Failed { reason });
                Event::HeadersVerdict { peer: *peer, last, count: headers.len(), verdict }
            }
            Self::Block(peer, block) => {
                let verdict = BlockVerdict::Failed { reason };
                Event::BlockVerdict { peer: *peer, hash: block.block_hash(), verdict }
            }
            Self::Transaction(peer, transaction) => {
                let verdict = TransactionVerdict::Failed { reason };
                Event::TransactionVerdict { peer: *peer, transaction: Arc::clone(transaction), verdict }
            }
            Self::Package(peer, parent, child) => {
                let failed = TransactionVerdict::Failed { reason };
                let verdict = PackageVerdict { parent: failed.clone(), child: failed };
                Event::PackageVerdict { peer: *peer, parent: Arc::clone(parent), child: Arc::clone(child), verdict }
            }
        })
    }
}

/// Starts the thread; it ends when its sender is dropped.
///
/// Headers come before blocks and transactions that wait: they are quick, need none of them, and show which blocks to ask for.
pub(super) fn start(host: Arc<dyn Host>, inputs: Sender<Input>, totals: Arc<Totals>) -> io::Result<Judge> {
    let (jobs, received) = channel();
    let thread = std::thread::Builder::new().name("p2p-judge".to_owned()).spawn(move || {
        let mut queue = Queue::default();
        loop {
            received.try_iter().for_each(|job| queue.push(job));
            let Some(job) = queue.pop().or_else(|| received.recv().ok()) else { return };
            let (peer, failed) = (job.peer(), job.failed());
            let judged = totals.faults.guard(|| judge(host.as_ref(), job));
            // Whoever sent what we cannot bear goes; nobody is blamed.
            let end = judged.is_none().then_some(Event::Disconnected { peer });
            for event in judged.unwrap_or(failed).into_iter().chain(end) {
                if inputs.send(Input::Event(event)).is_err() {
                    return;
                }
            }
        }
    })?;
    Ok(Judge { jobs, thread })
}

/// What waits, each kind in the order in which it came.
#[derive(Debug, Default)]
struct Queue {
    headers: VecDeque<Job>,
    others: VecDeque<Job>,
}

impl Queue {
    fn push(&mut self, job: Job) {
        match job {
            Job::Headers(..) => self.headers.push_back(job),
            Job::Block(..) | Job::Transaction(..) | Job::Package(..) => self.others.push_back(job),
        }
    }

    fn pop(&mut self) -> Option<Job> {
        self.headers.pop_front().or_else(|| self.others.pop_front())
    }
}

fn judge(host: &dyn Host, job: Job) -> Option<Event> {
    Some(match job {
        Job::Headers(peer, headers) => {
            let last = headers.last()?.block_hash();
            Event::HeadersVerdict { peer, last, count: headers.len(), verdict: host.submit_headers(&headers) }
        }
        Job::Block(peer, block) => {
            Event::BlockVerdict { peer, hash: block.block_hash(), verdict: host.submit_block(block.whole()) }
        }
        Job::Transaction(peer, transaction) => {
            let verdict = host.submit_transaction(Arc::clone(&transaction));
            Event::TransactionVerdict { peer, transaction, verdict }
        }
        Job::Package(peer, parent, child) => {
            let verdict = host.submit_package(Arc::clone(&parent), Arc::clone(&child));
            Event::PackageVerdict { peer, parent, child, verdict }
        }
    })
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::{Network, genesis_block};

    use super::*;

    #[test]
    fn headers_pass_what_takes_longer_and_nothing_else_changes_places() {
        let genesis = genesis_block(&Network::regtest());
        let mut queue = Queue::default();
        for peer in 0..3 {
            queue.push(Job::Block(PeerId(peer), Arc::new(genesis.clone()).into()));
            queue.push(Job::Headers(PeerId(peer), vec![genesis.header]));
            queue.push(Job::Transaction(PeerId(peer), Arc::new(genesis.txdata[0].clone())));
        }
        let named = |job: Job| match job {
            Job::Headers(peer, _) => ("headers", peer.0),
            Job::Block(peer, _) => ("block", peer.0),
            Job::Transaction(peer, _) => ("transaction", peer.0),
            Job::Package(peer, ..) => ("package", peer.0),
        };
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(named).collect();
        let headers = (0..3).map(|peer| ("headers", peer));
        let others = (0..3).flat_map(|peer| [("block", peer), ("transaction", peer)]);
        assert_eq!(order, headers.chain(others).collect::<Vec<_>>());
    }
}
