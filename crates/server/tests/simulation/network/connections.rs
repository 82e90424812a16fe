//! Connections between the actors: made, used, standing still, broken.

use std::hash::Hash as _;
use std::net::SocketAddr;

use mycoin_p2p::{Event, PeerId};
use rand::Rng as _;

use super::{Being, Happening, Simulation};
use crate::hostile::Frames;
use crate::wire::{DROP_AT, End, Link, PAUSE_AT};

impl Simulation {
    pub(super) fn dialled(&mut self, actor: usize, epoch: u64, target: String) {
        if self.honest(actor).is_some_and(|honest| honest.epoch != epoch || honest.running.is_none()) {
            return;
        }
        let other = target.parse().ok().and_then(|address| self.by_address.get(&address).copied());
        let other = other.filter(|other| self.reach(actor, *other));
        let Some(other) = other else {
            if self.honest(actor).is_some() {
                self.handle(actor, Event::ConnectFailed { target });
            }
            return;
        };
        let ends = [actor, other].map(|actor| {
            self.next_peer += 1;
            End { actor, peer: PeerId(self.next_peer) }
        });
        let latency = self.rng.random_range(5..150);
        let id = self.next_link;
        self.next_link += 1;
        self.links.insert(id, Link::new(ends, latency, self.network.magic));
        for (side, end) in ends.iter().enumerate() {
            if let Some(honest) = self.honest_mut(end.actor) {
                honest.links.insert(end.peer, (id, side));
            }
        }
        self.note(|| format!("{actor} connects with {other}"));
        // Either may end the connection as soon as it stands.
        for (side, target) in [(1, None), (0, Some(target))] {
            let (end, remote) = (ends[side], self.actors[ends[1 - side].actor].address);
            if !self.links.contains_key(&id) {
                break;
            }
            match &mut self.actors[end.actor].being {
                Being::Honest(_) => {
                    // Inbound connections come from a port of their own.
                    let address =
                        if side == 0 { remote } else { SocketAddr::new(remote.ip(), 40_000 + (id % 20_000) as u16) };
                    self.handle(end.actor, Event::Connected { peer: end.peer, address, target });
                }
                Being::Hostile(hostile) => {
                    let frames = hostile.connected(end.peer, self.now);
                    self.send_frames(end.actor, end.peer, frames);
                }
            }
        }
    }

    fn reach(&self, from: usize, to: usize) -> bool {
        let is_there = match &self.actors[to].being {
            Being::Honest(honest) => honest.running.is_some(),
            Being::Hostile(_) => !self.is_peaceful,
        };
        is_there && self.actors[from].group == self.actors[to].group
    }

    pub(super) fn link_of(&self, actor: usize, peer: PeerId) -> Option<(u64, usize)> {
        match &self.actors[actor].being {
            Being::Honest(honest) => honest.links.get(&peer).copied(),
            Being::Hostile(_) => {
                let end = End { actor, peer };
                let found = self.links.iter().find(|(_, link)| link.ends.contains(&end));
                found.map(|(id, link)| (*id, usize::from(link.ends[1] == end)))
            }
        }
    }

    pub(super) fn send_frames(&mut self, actor: usize, peer: PeerId, frames: Frames) {
        for bytes in frames {
            self.send(actor, peer, bytes);
        }
    }

    pub(super) fn send(&mut self, actor: usize, peer: PeerId, bytes: Vec<u8>) {
        let Some((id, side)) = self.link_of(actor, peer) else { return };
        let jitter = self.rng.random_range(0..10);
        self.counts.messages += 1;
        self.counts.bytes += bytes.len() as u64;
        (self.now, actor, peer.0, &bytes).hash(&mut self.digest);
        let Some(link) = self.links.get_mut(&id) else { return };
        let arrival = link.send(1 - side, bytes, self.now, jitter);
        let unread = link.unread_of(side);
        self.plan_at(arrival, Happening::Arrive { link: id, to: 1 - side });
        if unread > DROP_AT {
            self.note(|| format!("{actor} drops {peer}, which does not read"));
            self.cut(id, None);
        }
    }

    pub(super) fn arrive(&mut self, id: u64, to: usize) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.stalled_until > self.now {
            let at = link.stalled_until;
            self.plan_at(at, Happening::Arrive { link: id, to });
            return;
        }
        let end = link.ends[to];
        let sender = link.ends[1 - to];
        // Who owes a peer much does not read from it, and a greedy one reads nothing.
        let pauses = match &self.actors[end.actor].being {
            Being::Honest(_) => link.unread_of(to) > PAUSE_AT,
            Being::Hostile(hostile) => !hostile.reads() && link.unread_of(1 - to) > 2_000,
        };
        if pauses {
            self.plan(1_000, Happening::Arrive { link: id, to });
            return;
        }
        let Some(bytes) = link.arrive(to) else { return };
        let is_drained = link.unread_of(1 - to) == 0;
        let piece = self.rng.random_range(1..4_000);
        for part in bytes.chunks(piece) {
            if !self.take_piece(id, to, end, part) {
                return;
            }
        }
        if is_drained && let Some(epoch) = self.honest(sender.actor).map(|honest| honest.epoch) {
            self.plan(0, Happening::Event { actor: sender.actor, epoch, event: Event::Drained { peer: sender.peer } });
        }
    }

    /// Gives the receiver what it can make of the bytes; whether the connection still stands.
    fn take_piece(&mut self, id: u64, to: usize, end: End, part: &[u8]) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        link.decoder(to).push(part);
        loop {
            let Some(link) = self.links.get_mut(&id) else { return false };
            match link.decoder(to).next_message() {
                Ok(None) => return true,
                Ok(Some(message)) => match &mut self.actors[end.actor].being {
                    Being::Honest(_) => self.handle(end.actor, Event::Received { peer: end.peer, message }),
                    Being::Hostile(hostile) => {
                        if !self.is_peaceful {
                            let frames = hostile.received(end.peer, &message);
                            self.send_frames(end.actor, end.peer, frames);
                        }
                    }
                },
                Err(error) => {
                    self.handle(end.actor, Event::Garbled { peer: end.peer, error });
                    // The reader has stopped in any case.
                    self.cut(id, Some(end.actor));
                    return false;
                }
            }
        }
    }

    /// Ends a connection; whoever ended it is not told.
    pub(super) fn cut(&mut self, id: u64, by: Option<usize>) {
        let Some(link) = self.links.remove(&id) else { return };
        for end in link.ends {
            let epoch = match &mut self.actors[end.actor].being {
                Being::Honest(honest) => {
                    honest.links.remove(&end.peer);
                    honest.epoch
                }
                Being::Hostile(_) => {
                    self.plan(link.latency(), Happening::Lost { actor: end.actor, peer: end.peer });
                    continue;
                }
            };
            if by != Some(end.actor) || link.ends[0].actor == link.ends[1].actor {
                let event = Event::Disconnected { peer: end.peer };
                self.plan(link.latency(), Happening::Event { actor: end.actor, epoch, event });
            }
        }
    }

    /// Breaks a connection at random.
    pub(crate) fn break_link(&mut self) {
        if let Some(id) = self.any_link() {
            self.note(|| format!("link {id} breaks"));
            self.cut(id, None);
        }
    }

    /// Lets a connection at random stand still for so many milliseconds.
    pub(crate) fn stall_link(&mut self, millis: u64) {
        if let Some(id) = self.any_link() {
            let until = self.now + millis;
            self.note(|| format!("link {id} stalls for {millis} ms"));
            if let Some(link) = self.links.get_mut(&id) {
                link.stalled_until = link.stalled_until.max(until);
            }
        }
    }

    fn any_link(&mut self) -> Option<u64> {
        if self.links.is_empty() {
            return None;
        }
        let index = self.rng.random_range(0..self.links.len());
        self.links.keys().nth(index).copied()
    }

    /// Parts the network in two for so long: connections between the sides break, or stand still until then.
    pub(crate) fn part(&mut self, millis: u64, breaks: bool) {
        for actor in &mut self.actors {
            actor.group = self.rng.random_range(0..2);
        }
        self.note(|| format!("the network parts for {millis} ms, breaks: {breaks}"));
        let group = |end: End| self.actors[end.actor].group;
        let between = self.links.iter().filter(|(_, link)| group(link.ends[0]) != group(link.ends[1]));
        for id in between.map(|(id, _)| *id).collect::<Vec<_>>() {
            if breaks {
                self.cut(id, None);
            } else if let Some(link) = self.links.get_mut(&id) {
                link.stalled_until = link.stalled_until.max(self.now + millis);
            }
        }
    }

    /// Everybody reaches everybody, at once.
    pub(crate) fn join(&mut self) {
        self.note(|| "the network is whole".to_owned());
        self.actors.iter_mut().for_each(|actor| actor.group = 0);
    }
}
