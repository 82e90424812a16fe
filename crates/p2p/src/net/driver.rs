//! The thread that owns the node: it takes one input after the other and does what the node says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::connection::{Connection, Origin, Shared};
use super::dial::DialError;
use super::guard::peer_of;
use super::judge::{Job, Judge};
use super::steering::Steering;
use crate::codec::Outgoing;
use crate::message::Message;
use crate::misbehavior::LogBudget;
use crate::{Action, Event, Host, Node, PeerId, PeerInfo, Time};

/// The time between two ticks.
const TICK: Duration = Duration::from_millis(50);
/// Lines a minute that peers can make us log.
const LOG_LINES: u32 = 60;

/// A clock that begins at the system's time and never jumps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: Instant,
    unix_millis: u64,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), unix_millis: since_1970.as_millis() as u64 }
    }

    pub(super) fn now(&self) -> Time {
        Time::from_unix_millis(self.unix_millis).after(self.began.elapsed())
    }
}

/// What the driver waits for.
#[derive(Debug)]
pub(super) enum Input {
    Event(Event),
    /// A message, with the permits for its bytes and for itself, which are given back when it was handled.
    Message {
        peer: PeerId,
        message: Message,
        _permits: [OwnedSemaphorePermit; 2],
    },
    /// A connection stands.
    Stream {
        stream: TcpStream,
        address: SocketAddr,
        target: Option<String>,
        place: Option<OwnedSemaphorePermit>,
    },
    /// A connection could not be made.
    Undialled {
        target: String,
        error: DialError,
    },
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    Addresses(oneshot::Sender<Vec<u8>>),
    Steer(Steering),
    Stop(oneshot::Sender<()>),
}

/// The node and all that it needs.
pub(super) struct Driver {
    pub(super) node: Node,
    pub(super) host: Arc<dyn Host>,
    pub(super) judge: Judge,
    pub(super) shared: Shared,
    pub(super) runtime: Handle,
    pub(super) connections: BTreeMap<PeerId, Connection>,
    pub(super) next_peer: u64,
    pub(super) log: LogBudget,
}

impl Driver {
    pub(super) fn new(node: Node, host: Arc<dyn Host>, judge: Judge, shared: Shared, runtime: Handle) -> Self {
        let log = LogBudget::new(LOG_LINES, Duration::from_secs(60));
        Self { node, host, judge, shared, runtime, connections: BTreeMap::new(), next_peer: 0, log }
    }

    /// Runs until [`Input::Stop`].
    pub(super) fn run(mut self, inputs: &Receiver<Input>) {
        let mut next_tick = Instant::now();
        loop {
            if next_tick <= Instant::now() {
                next_tick = Instant::now() + TICK;
                self.handle(Event::Tick);
            }
            match inputs.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
                Ok(Input::Stop(reply)) => return self.stop(reply),
                Ok(input) => self.take(input),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Event(Event::Disconnected { peer }) => self.lose(peer, "the connection ended"),
            Input::Event(event) => self.handle(event),
            Input::Message { peer, message, _permits } => self.handle(Event::Received { peer, message }),
            Input::Stream { stream, address, target, place } => self.welcome(stream, address, target, place),
            Input::Undialled { target, error } => self.not_dialled(target, &error),
            Input::Peers(reply) => {
                let _ = reply.send(self.peers());
            }
            Input::Addresses(reply) => {
                let _ = reply.send(self.node.addresses());
            }
            Input::Steer(steering) => {
                let now = self.shared.clock.now();
                for action in steering.run(&mut self.node, now, self.host.as_ref()) {
                    self.act(action);
                }
            }
            Input::Stop(_) => {}
        }
    }

    fn handle(&mut self, event: Event) {
        let peer = peer_of(&event);
        if !self.handle_guarded(event) {
            if self.log.spend(self.shared.clock.now()) {
                tracing::error!(?peer, "a fault inside the peers' protocol; the connection that it came with ends");
            }
            if let Some(peer) = peer {
                self.close(peer);
                self.handle_guarded(Event::Disconnected { peer });
            }
        }
    }

    /// Whether the node could handle it.
    fn handle_guarded(&mut self, event: Event) -> bool {
        let (node, host, now) = (&mut self.node, self.host.as_ref(), self.shared.clock.now());
        let actions = self.shared.totals.faults.guard(|| node.handle(now, event, host));
        let is_handled = actions.is_some();
        actions.unwrap_or_default().into_iter().for_each(|action| self.act(action));
        is_handled
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { peer, message } => self.send(peer, &message),
            Action::Connect { target } => self.dial(target),
            Action::Disconnect { peer, reason } => {
                self.note_end(peer, &reason);
                self.close(peer);
            }
            Action::SubmitHeaders { peer, headers } => self.submit(Job::Headers(peer, headers)),
            Action::SubmitBlock { peer, block } => self.submit(Job::Block(peer, block)),
            Action::SubmitTransaction { peer, transaction } => self.submit(Job::Transaction(peer, transaction)),
            Action::SubmitPackage { peer, parent, child } => self.submit(Job::Package(peer, parent, child)),
        }
    }

    fn submit(&mut self, job: Job) {
        if self.judge.jobs.send(job).is_err() && self.log.spend(self.shared.clock.now()) {
            tracing::error!("what peers send is no longer judged; restart the server");
        }
    }

    fn send(&mut self, peer: PeerId, message: &Message) {
        let Some(connection) = self.connections.get(&peer) else { return };
        if !connection.send(Outgoing::new(message)) {
            // Told as an event, so that the node forgets it after the actions that are under way.
            let _ = self.shared.inputs.send(Input::Event(Event::Disconnected { peer }));
        }
    }

    fn dial(&self, target: String) {
        let (inputs, route) = (self.shared.inputs.clone(), self.shared.route.clone());
        self.runtime.spawn(async move {
            let input = match route.connect(&target).await {
                Ok((stream, address)) => Input::Stream { stream, address, target: Some(target), place: None },
                Err(error) => Input::Undialled { target, error },
            };
            let _ = inputs.send(input);
        });
    }

    fn not_dialled(&mut self, target: String, error: &DialError) {
        if !error.concerns_all() {
            tracing::debug!(%target, %error, "a peer could not be dialled");
        } else if self.log.spend(self.shared.clock.now()) {
            tracing::warn!(%error, "peers cannot be dialled");
        }
        self.handle(Event::ConnectFailed { target });
    }

    fn welcome(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
        target: Option<String>,
        place: Option<OwnedSemaphorePermit>,
    ) {
        let peer = PeerId(self.next_peer);
        self.next_peer += 1;
        let origin = match target.clone() {
            None => Origin::Inbound,
            Some(target) => Origin::Outbound { is_v1: self.node.knows_as_v1(&target), target },
        };
        let connection = Connection::start(peer, stream, origin, place, &self.shared, &self.runtime);
        let is_inbound = connection.is_inbound;
        self.connections.insert(peer, connection);
        self.count();
        if self.log.spend(self.shared.clock.now()) {
            tracing::info!(%peer, %address, direction = if is_inbound { "in" } else { "out" }, "peer connected");
        }
        self.handle(Event::Connected { peer, address, target });
    }

    fn lose(&mut self, peer: PeerId, reason: &str) {
        if self.connections.contains_key(&peer) {
            self.note_end(peer, &reason);
            self.close(peer);
            self.handle(Event::Disconnected { peer });
        }
    }

    fn note_end(&mut self, peer: PeerId, reason: &dyn std::fmt::Display) {
        if self.log.spend(self.shared.clock.now()) {
            tracing::info!(%peer, %reason, "peer disconnected");
        }
    }

    fn close(&mut self, peer: PeerId) {
        self.connections.remove(&peer);
        self.count();
    }

    fn count(&self) {
        let inbound = self.connections.values().filter(|connection| connection.is_inbound).count();
        self.shared.totals.inbound.store(inbound, Ordering::Relaxed);
        self.shared.totals.outbound.store(self.connections.len() - inbound, Ordering::Relaxed);
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let mut peers = self.node.peers(self.shared.clock.now(), self.host.as_ref());
        for info in &mut peers {
            let Some(connection) = self.connections.get(&info.id) else { continue };
            let counters = &connection.counters;
            let link = counters.link();
            info.local_address = link.local_address;
            info.transport = link.transport;
            info.bytes_received = counters.received.load(Ordering::Relaxed);
            info.bytes_sent = counters.sent.load(Ordering::Relaxed);
            info.received_by_message = counters.received_by_message();
            info.sent_by_message = counters.sent_by_message();
            info.last_received = moment(&counters.last_received);
            info.last_sent = moment(&counters.last_sent);
        }
        peers
    }

    fn stop(mut self, reply: oneshot::Sender<()>) {
        self.connections.clear();
        self.count();
        let Judge { jobs, thread } = self.judge;
        drop(jobs);
        if thread.join().is_err() {
            tracing::error!("the judging thread had panicked");
        }
        let _ = reply.send(());
    }
}

fn moment(millis: &AtomicU64) -> Option<Time> {
    match millis.load(Ordering::Relaxed) {
        0 => None,
        millis => Some(Time::from_unix_millis(millis)),
    }
}
