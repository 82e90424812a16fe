//! One connection's reader and writer.
//!
//! The reader stops reading while its peer does not read our answers, and while the node has more unhandled bytes from all
//! peers than it may; so the operating system makes the peer wait, and memory stays bounded.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use mycoin_primitives::bitcoin::p2p::Magic;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::driver::{Clock, Input};
use crate::codec::Decoder;
use crate::{Event, NetTotals, PeerId};

/// Unhandled bytes from all peers together; at least the longest message.
const UNHANDLED_MAX: usize = 32_000_000;
/// Bytes waiting for one peer at which we stop reading from it (`DEFAULT_MAXSENDBUFFER`).
const PAUSE_AT: usize = 1_000_000;
/// Bytes waiting for one peer at which it is dropped.
const DROP_AT: usize = 16_000_000;
/// What is read and written at once.
const CHUNK: usize = 64 * 1024;
/// How long a peer may take to accept one chunk.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes and connections of all peers since the start.
#[derive(Debug, Default)]
pub(super) struct Totals {
    received: AtomicU64,
    sent: AtomicU64,
    pub(super) inbound: AtomicUsize,
    pub(super) outbound: AtomicUsize,
}

impl Totals {
    pub(super) fn read(&self) -> NetTotals {
        NetTotals {
            bytes_received: self.received.load(Ordering::Relaxed),
            bytes_sent: self.sent.load(Ordering::Relaxed),
            inbound: self.inbound.load(Ordering::Relaxed),
            outbound: self.outbound.load(Ordering::Relaxed),
        }
    }
}

/// What a connection counts. Times are milliseconds since 1970, 0 for never.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) last_received: AtomicU64,
    pub(super) last_sent: AtomicU64,
    /// Bytes that wait to be written.
    queued: AtomicUsize,
    /// Tells the reader that the queue is empty again.
    drained: Notify,
}

/// What both tasks of a connection use.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) inputs: Sender<Input>,
    pub(super) totals: Arc<Totals>,
    /// Permits for unhandled bytes.
    pub(super) unhandled: Arc<Semaphore>,
    pub(super) clock: Clock,
    pub(super) magic: Magic,
}

impl Shared {
    pub(super) fn unhandled() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(UNHANDLED_MAX))
    }
}

/// A connection as the driver holds it. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Connection {
    queue: UnboundedSender<Vec<u8>>,
    pub(super) counters: Arc<Counters>,
    pub(super) local_address: Option<SocketAddr>,
    pub(super) is_inbound: bool,
    tasks: [AbortHandle; 2],
    _place: Option<OwnedSemaphorePermit>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Connection {
    pub(super) fn start(
        id: PeerId,
        stream: TcpStream,
        is_inbound: bool,
        place: Option<OwnedSemaphorePermit>,
        shared: &Shared,
        runtime: &Handle,
    ) -> Self {
        // Small messages must not wait for more of them.
        let _ = stream.set_nodelay(true);
        let local_address = stream.local_addr().ok();
        let (read_half, write_half) = stream.into_split();
        let (queue, queued) = unbounded_channel();
        let counters = Arc::new(Counters::default());
        let reader = runtime.spawn(read(id, read_half, Arc::clone(&counters), shared.clone()));
        let writer = runtime.spawn(write(id, write_half, queued, Arc::clone(&counters), shared.clone()));
        let tasks = [reader.abort_handle(), writer.abort_handle()];
        Self { queue, counters, local_address, is_inbound, tasks, _place: place }
    }

    /// Queues bytes; `false` when the peer is too far behind and must go.
    pub(super) fn send(&self, bytes: Vec<u8>) -> bool {
        let queued = self.counters.queued.fetch_add(bytes.len(), Ordering::Relaxed);
        queued + bytes.len() <= DROP_AT && self.queue.send(bytes).is_ok()
    }
}

async fn read(id: PeerId, mut socket: OwnedReadHalf, counters: Arc<Counters>, shared: Shared) {
    let mut decoder = Decoder::new(shared.magic);
    let mut chunk = vec![0; CHUNK];
    loop {
        while counters.queued.load(Ordering::Relaxed) > PAUSE_AT {
            // The time-out covers a notification that came between the check and the wait.
            let _ = tokio::time::timeout(Duration::from_secs(1), counters.drained.notified()).await;
        }
        let Ok(count @ 1..) = socket.read(&mut chunk).await else { break };
        counters.received.fetch_add(count as u64, Ordering::Relaxed);
        shared.totals.received.fetch_add(count as u64, Ordering::Relaxed);
        counters.last_received.store(shared.clock.now().unix_millis(), Ordering::Relaxed);
        decoder.push(chunk.get(..count).unwrap_or_default());
        if hand_over(id, &mut decoder, &shared).await.is_none() {
            return;
        }
    }
    let _ = shared.inputs.send(Input::Event(Event::Disconnected { peer: id }));
}

/// Gives the whole messages to the node; `None` when no more may come.
async fn hand_over(id: PeerId, decoder: &mut Decoder, shared: &Shared) -> Option<()> {
    loop {
        let before = decoder.consumed();
        match decoder.next_message() {
            Ok(Some(message)) => {
                let bytes = u32::try_from(decoder.consumed() - before).ok()?;
                let permit = Arc::clone(&shared.unhandled).acquire_many_owned(bytes).await.ok()?;
                shared.inputs.send(Input::Message { peer: id, message, _permit: permit }).ok()?;
            }
            Ok(None) => return Some(()),
            Err(error) => {
                let _ = shared.inputs.send(Input::Event(Event::Garbled { peer: id, error }));
                return None;
            }
        }
    }
}

async fn write(
    id: PeerId,
    mut socket: OwnedWriteHalf,
    mut queue: UnboundedReceiver<Vec<u8>>,
    counters: Arc<Counters>,
    shared: Shared,
) {
    while let Some(bytes) = queue.recv().await {
        for chunk in bytes.chunks(CHUNK) {
            let written = tokio::time::timeout(WRITE_TIMEOUT, socket.write_all(chunk)).await;
            if !matches!(written, Ok(Ok(()))) {
                let _ = shared.inputs.send(Input::Event(Event::Disconnected { peer: id }));
                return;
            }
            counters.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            shared.totals.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            counters.last_sent.store(shared.clock.now().unix_millis(), Ordering::Relaxed);
        }
        if counters.queued.fetch_sub(bytes.len(), Ordering::Relaxed) == bytes.len() {
            counters.drained.notify_waiters();
            let _ = shared.inputs.send(Input::Event(Event::Drained { peer: id }));
        }
    }
}
