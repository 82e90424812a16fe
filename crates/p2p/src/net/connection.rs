//! One connection's reader and writer.
//!
//! The reader stops reading while its peer does not read our answers, and while the node has more unhandled bytes from all
//! peers than it may; so the operating system makes the peer wait, and memory stays bounded.
//!
//! The reader opens the transport, for that needs both directions, and hands the sending one over to the writer then.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mycoin_primitives::bitcoin::p2p::Magic;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::AbortHandle;

use super::dial::Route;
use super::driver::{Clock, Input};
use super::guard::{EndNotice, Faults};
use super::transport::{Framer, Transport};
use crate::codec::{CodecError, Outgoing};
use crate::limits::UNCONFIRMED_MAX;
use crate::{Event, NetTotals, PeerId, TransportProtocol};

/// Unhandled bytes from all peers together; at least the longest message.
const UNHANDLED_MAX: usize = 32_000_000;
/// Unhandled messages of one peer: a few bytes can ask for a long answer, which counts as soon as it was made.
const IN_HAND_MAX: usize = 1;
/// Bytes waiting for one peer at which we stop reading from it: a quarter of Bitcoin Core's `DEFAULT_MAXSENDBUFFER`.
const PAUSE_AT: usize = 250_000;
/// How long a message waits for its peer to read.
const PAUSE_MAX: Duration = Duration::from_secs(30);
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
    pub(super) faults: Faults,
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
    /// Bytes by message: those that came, those that went.
    by_message: [Mutex<BTreeMap<&'static str, u64>>; 2],
    /// Bytes that wait to be written.
    queued: AtomicUsize,
    /// Tells the reader that the queue is empty again.
    drained: Notify,
    link: Mutex<Link>,
}

/// The connection as it stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Link {
    pub(super) local_address: Option<SocketAddr>,
    pub(super) transport: TransportProtocol,
}

/// The direction of a message, as its place in [`Counters::by_message`].
#[derive(Debug, Clone, Copy)]
enum Direction {
    Received,
    Sent,
}

impl Counters {
    pub(super) fn received_by_message(&self) -> BTreeMap<&'static str, u64> {
        self.lock_by_message(Direction::Received).clone()
    }

    pub(super) fn sent_by_message(&self) -> BTreeMap<&'static str, u64> {
        self.lock_by_message(Direction::Sent).clone()
    }

    fn lock_by_message(&self, direction: Direction) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        let [received, sent] = &self.by_message;
        let counted = match direction {
            Direction::Received => received,
            Direction::Sent => sent,
        };
        counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_message(&self, direction: Direction, command: &'static str, bytes: u64) {
        *self.lock_by_message(direction).entry(command).or_default() += bytes;
    }

    pub(super) fn link(&self) -> Link {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_link(&self, change: impl FnOnce(&mut Link)) {
        change(&mut self.link.lock().unwrap_or_else(PoisonError::into_inner));
    }
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
    /// Whether connections may be encrypted.
    pub(super) v2: bool,
    /// How peers are dialled.
    pub(super) route: Route,
}

impl Shared {
    pub(super) fn unhandled() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(UNHANDLED_MAX))
    }
}

/// A connection as the driver holds it. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Connection {
    queue: UnboundedSender<Outgoing>,
    pub(super) counters: Arc<Counters>,
    pub(super) is_inbound: bool,
    tasks: [AbortHandle; 2],
    _place: Option<OwnedSemaphorePermit>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Who made a connection.
#[derive(Debug)]
pub(super) enum Origin {
    /// They did.
    Inbound,
    /// We did.
    Outbound {
        /// What we dialled.
        target: String,
        /// Whether it is known to speak v1 only.
        is_v1: bool,
    },
}

impl Connection {
    pub(super) fn start(
        id: PeerId,
        stream: TcpStream,
        origin: Origin,
        place: Option<OwnedSemaphorePermit>,
        shared: &Shared,
        runtime: &Handle,
    ) -> Self {
        let is_inbound = matches!(origin, Origin::Inbound);
        let counters = Arc::new(Counters::default());
        let (queue, queued) = unbounded_channel();
        let (opened, opening) = oneshot::channel();
        let reader = Reader {
            id,
            counters: Arc::clone(&counters),
            shared: shared.clone(),
            opened: Some(opened),
            in_hand: Arc::new(Semaphore::new(IN_HAND_MAX)),
        };
        let reader = runtime.spawn(reader.run(stream, origin));
        let writer = runtime.spawn(write(id, opening, queued, Arc::clone(&counters), shared.clone()));
        let tasks = [reader.abort_handle(), writer.abort_handle()];
        Self { queue, counters, is_inbound, tasks, _place: place }
    }

    /// Queues a message; `false` when the peer is too far behind and must go.
    pub(super) fn send(&self, message: Outgoing) -> bool {
        let size = message.size();
        let queued = self.counters.queued.fetch_add(size, Ordering::Relaxed);
        queued + size <= DROP_AT && self.queue.send(message).is_ok()
    }
}

/// The sending side of a connection whose transport is open.
#[derive(Debug)]
struct Opened {
    socket: OwnedWriteHalf,
    framer: Framer,
}

/// How reading ended.
#[derive(Debug)]
enum End {
    /// The other side has closed the connection, or it broke.
    Closed,
    /// What came is no stream of messages.
    Garbled(CodecError),
    /// The node is gone.
    Stopped,
}

/// The task that reads.
#[derive(Debug)]
struct Reader {
    id: PeerId,
    counters: Arc<Counters>,
    shared: Shared,
    /// Where the sending side goes when it is open.
    opened: Option<oneshot::Sender<Opened>>,
    /// Permits for unhandled messages.
    in_hand: Arc<Semaphore>,
}

impl Reader {
    async fn run(mut self, stream: TcpStream, origin: Origin) {
        let _notice = EndNotice::new(self.id, &self.shared.inputs);
        let end = match self.begin(&origin) {
            Ok(mut transport) => match (self.read(stream, &mut transport).await, &origin) {
                (End::Closed, Origin::Outbound { target, .. }) if transport.is_unanswered() => {
                    self.fall_back(target).await
                }
                (end, _) => end,
            },
            Err(error) => lost(&error),
        };
        let event = match end {
            End::Closed => Event::Disconnected { peer: self.id },
            End::Garbled(error) => Event::Garbled { peer: self.id, error },
            End::Stopped => return,
        };
        let _ = self.shared.inputs.send(Input::Event(event));
    }

    fn begin(&self, origin: &Origin) -> io::Result<Transport> {
        let magic = self.shared.magic;
        match origin {
            _ if !self.shared.v2 => Ok(Transport::v1(magic)),
            Origin::Outbound { is_v1: true, .. } => Ok(Transport::v1(magic)),
            Origin::Outbound { is_v1: false, .. } => Transport::initiator(magic),
            Origin::Inbound => Ok(Transport::responder(magic)),
        }
    }

    /// Dials again, for v1: whoever knows only that ends the connection when our key comes.
    async fn fall_back(&mut self, target: &str) -> End {
        match self.shared.route.connect(target).await {
            Ok((stream, _)) => self.read(stream, &mut Transport::v1(self.shared.magic)).await,
            Err(_) => End::Closed,
        }
    }

    /// Reads to the end of the stream.
    async fn read(&mut self, stream: TcpStream, transport: &mut Transport) -> End {
        // Small messages must not wait for more of them.
        let _ = stream.set_nodelay(true);
        give_up_in_time(&stream);
        let link = Link { local_address: stream.local_addr().ok(), transport: transport.agreed() };
        self.counters.set_link(|old| *old = link);
        let (mut socket, write_half) = stream.into_split();
        let mut write_half = Some(write_half);
        let mut chunk = vec![0; CHUNK];
        loop {
            if let Some(half) = write_half.take() {
                write_half = match self.open(half, transport).await {
                    Ok(half) => half,
                    Err(_) => return End::Closed,
                };
            }
            let Ok(count @ 1..) = socket.read(&mut chunk).await else { return End::Closed };
            self.counters.received.fetch_add(count as u64, Ordering::Relaxed);
            self.shared.totals.received.fetch_add(count as u64, Ordering::Relaxed);
            self.counters.last_received.store(self.shared.clock.now().unix_millis(), Ordering::Relaxed);
            if let Err(error) = transport.push(chunk.get(..count).unwrap_or_default()) {
                return lost(&error);
            }
            if let Err(end) = self.hand_over(transport, write_half.is_none()).await {
                return end;
            }
        }
    }

    /// Writes what opens our side; when messages can follow, the writer gets it.
    async fn open(
        &mut self,
        mut socket: OwnedWriteHalf,
        transport: &mut Transport,
    ) -> io::Result<Option<OwnedWriteHalf>> {
        let bytes = transport.take_opening();
        write_all(&mut socket, &bytes, &self.counters, &self.shared).await?;
        let Some(framer) = transport.take_framer() else { return Ok(Some(socket)) };
        if let Some(opened) = self.opened.take() {
            let _ = opened.send(Opened { socket, framer });
        }
        Ok(None)
    }

    /// Waits while the peer does not read our answers. Not for ever: two peers that each have much for the other would wait
    /// for each other.
    async fn wait_for_reading(&self) {
        let end = Instant::now() + PAUSE_MAX;
        while self.counters.queued.load(Ordering::Relaxed) > PAUSE_AT && Instant::now() < end {
            // The time-out covers a notification that came between the check and the wait.
            let _ = tokio::time::timeout(Duration::from_secs(1), self.counters.drained.notified()).await;
        }
    }

    /// Gives the whole messages to the node, each when the peer has read enough of the answers to those before.
    async fn hand_over(&mut self, transport: &mut Transport, is_open: bool) -> Result<(), End> {
        loop {
            let before = transport.consumed();
            let message = transport.next_message().map_err(End::Garbled)?;
            let agreed = transport.agreed();
            self.counters.set_link(|link| link.transport = agreed);
            let Some(message) = message else { return Ok(()) };
            let bytes = u32::try_from(transport.consumed() - before).map_err(|_| End::Stopped)?;
            self.counters.count_message(Direction::Received, message.command(), u64::from(bytes));
            let turn = Arc::clone(&self.in_hand).acquire_owned().await.map_err(|_| End::Stopped)?;
            // A queue that nobody empties yet is no reason to wait.
            if is_open {
                self.wait_for_reading().await;
            }
            let permit = Arc::clone(&self.shared.unhandled).acquire_many_owned(bytes).await;
            let permit = permit.map_err(|_| End::Stopped)?;
            let input = Input::Message { peer: self.id, message, _permits: [turn, permit] };
            self.shared.inputs.send(input).map_err(|_| End::Stopped)?;
        }
    }
}

/// Lets the operating system end a connection whose bytes nobody has confirmed for [`UNCONFIRMED_MAX`].
///
/// It sends lost bytes again after ever longer waits, up to two minutes: across a line that was cut for long, a new connection
/// is there sooner. Elsewhere than on Linux the waits stay as they are.
fn give_up_in_time(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNCONFIRMED_MAX));
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

fn lost(error: &io::Error) -> End {
    tracing::error!(%error, "the operating system has no randomness for a connection's keys");
    End::Closed
}

/// Writes and counts.
async fn write_all(socket: &mut OwnedWriteHalf, bytes: &[u8], counters: &Counters, shared: &Shared) -> io::Result<()> {
    for chunk in bytes.chunks(CHUNK) {
        tokio::time::timeout(WRITE_TIMEOUT, socket.write_all(chunk)).await??;
        counters.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        shared.totals.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        counters.last_sent.store(shared.clock.now().unix_millis(), Ordering::Relaxed);
    }
    Ok(())
}

async fn write(
    id: PeerId,
    opening: oneshot::Receiver<Opened>,
    mut queue: UnboundedReceiver<Outgoing>,
    counters: Arc<Counters>,
    shared: Shared,
) {
    let _notice = EndNotice::new(id, &shared.inputs);
    // If it never opens, the reader says why.
    let Ok(Opened { mut socket, mut framer }) = opening.await else { return };
    while let Some(message) = queue.recv().await {
        let (size, command) = (message.size(), message.command());
        let bytes = framer.frame(message);
        counters.count_message(Direction::Sent, command, bytes.len() as u64);
        if write_all(&mut socket, &bytes, &counters, &shared).await.is_err() {
            let _ = shared.inputs.send(Input::Event(Event::Disconnected { peer: id }));
            return;
        }
        if counters.queued.fetch_sub(size, Ordering::Relaxed) == size {
            counters.drained.notify_waiters();
            let _ = shared.inputs.send(Input::Event(Event::Drained { peer: id }));
        }
    }
}
