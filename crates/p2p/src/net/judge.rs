//! The thread on which the server judges what peers sent, one thing after the other.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use mycoin_primitives::{Block, Header, Transaction};

use super::driver::Input;
use crate::{Event, Host, PeerId};

/// Something to judge.
#[derive(Debug)]
pub(super) enum Job {
    Headers(PeerId, Vec<Header>),
    Block(PeerId, Arc<Block>),
    Transaction(PeerId, Arc<Transaction>),
    Package(PeerId, Arc<Transaction>, Arc<Transaction>),
}

/// The thread and the way to it. The queue needs no bound of its own: the protocol bounds what is being judged.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) jobs: Sender<Job>,
    pub(super) thread: JoinHandle<()>,
}

/// Starts the thread; it ends when its sender is dropped.
pub(super) fn start(host: Arc<dyn Host>, inputs: Sender<Input>) -> io::Result<Judge> {
    let (jobs, received) = channel();
    let thread = std::thread::Builder::new().name("p2p-judge".to_owned()).spawn(move || {
        for job in received {
            if let Some(event) = judge(host.as_ref(), job)
                && inputs.send(Input::Event(event)).is_err()
            {
                return;
            }
        }
    })?;
    Ok(Judge { jobs, thread })
}

fn judge(host: &dyn Host, job: Job) -> Option<Event> {
    Some(match job {
        Job::Headers(peer, headers) => {
            let last = headers.last()?.block_hash();
            Event::HeadersVerdict { peer, last, count: headers.len(), verdict: host.submit_headers(&headers) }
        }
        Job::Block(peer, block) => {
            Event::BlockVerdict { peer, hash: block.block_hash(), verdict: host.submit_block(block) }
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
