//! Keeps a fault of ours to the peer that brought it about.
//!
//! In:    work done for one peer, on a thread that all share; a connection's tasks.
//! Out:   the work's result, or, when it panicked, the end of that one connection, a line in the log and one more fault in
//!        the count that the node's owner is shown.
//! Never: an end of the thread, or of other connections.
//!
//! After a panic the protocol goes on with what it knew: its lists are refilled each second, and whatever it knew of the peer
//! is forgotten with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use super::driver::Input;
use crate::{Event, PeerId};

/// How often something panicked since the start.
#[derive(Debug, Default)]
pub(super) struct Faults(AtomicUsize);

impl Faults {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Does `work`; `None` when it panicked. The panic's own words are on the standard error then.
    pub(super) fn guard<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(work)).ok();
        if done.is_none() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        done
    }
}

/// Whom an event is about.
pub(super) const fn peer_of(event: &Event) -> Option<PeerId> {
    match event {
        Event::Connected { peer, .. }
        | Event::Disconnected { peer }
        | Event::Received { peer, .. }
        | Event::Garbled { peer, .. }
        | Event::Drained { peer }
        | Event::HeadersVerdict { peer, .. }
        | Event::BlockVerdict { peer, .. }
        | Event::TransactionVerdict { peer, .. }
        | Event::PackageVerdict { peer, .. } => Some(*peer),
        Event::Tick
        | Event::ConnectFailed { .. }
        | Event::NewTip
        | Event::SoundBlock(_)
        | Event::JudgedBlock(_)
        | Event::TransactionAdded(_)
        | Event::ConnectTo { .. } => None,
    }
}

/// Held by a connection's task: should that panic, the node is told that the connection has ended.
#[derive(Debug)]
pub(super) struct EndNotice {
    peer: PeerId,
    inputs: Sender<Input>,
}

impl EndNotice {
    pub(super) fn new(peer: PeerId, inputs: &Sender<Input>) -> Self {
        Self { peer, inputs: inputs.clone() }
    }
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.inputs.send(Input::Event(Event::Disconnected { peer: self.peer }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn a_connections_task_that_panics_says_so_and_one_that_ends_or_is_ended_does_not() {
        let (inputs, received) = channel();
        let notice = || EndNotice::new(PeerId(7), &inputs);
        for (notice, panics) in [(notice(), true), (notice(), false)] {
            let task = tokio::spawn(async move {
                let _notice = notice;
                assert!(!panics, "a fault, on purpose");
            });
            assert_eq!(task.await.is_err(), panics);
        }
        let notice = notice();
        let task = tokio::spawn(async move {
            let _notice = notice;
            std::future::pending::<()>().await;
        });
        task.abort();
        assert!(task.await.is_err());
        drop(inputs);
        let told: Vec<Input> = received.iter().collect();
        assert!(matches!(told[..], [Input::Event(Event::Disconnected { peer: PeerId(7) })]), "{told:?}");
    }

    #[test]
    fn faults_are_counted() {
        let faults = Faults::default();
        assert_eq!(faults.guard(|| 5), Some(5));
        assert_eq!(faults.count(), 0);
        assert_eq!(faults.guard(|| std::panic::panic_any(())), None::<()>);
        assert_eq!(faults.count(), 1);
    }
}
