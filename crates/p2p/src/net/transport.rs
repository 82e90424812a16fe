//! The two transports: v1, which is plain, and v2, which is encrypted (BIP324); and how one tells them apart.
//!
//! In:    bytes as they arrive, in pieces of any size; messages to frame.
//! Out:   messages, or the one reason why the stream cannot go on; the bytes to write.
//! Never: a socket, a clock.
//!
//! | connection | transport |
//! |---|---|
//! | we dial | v2, unless it is switched off or the address was told to us as one without v2 |
//! | it ends before a byte came | dialled again at once, in v1: most likely the other side knows only that |
//! | we are dialled | v1 when the first 16 bytes are the magic and `version`, else v2 |
//!
//! Source: BIP324; Bitcoin Core `V1Transport` and `V2Transport`, net.cpp.

use std::io;

use mycoin_primitives::bitcoin::p2p::Magic;

use super::v2::{self, Ours, PacketSealer, Role};
use crate::TransportProtocol;
use crate::codec::{CodecError, Decoder, Outgoing};
use crate::message::Message;

/// The sending side of a transport.
#[derive(Debug)]
pub(super) enum Framer {
    V1(Magic),
    V2(Box<PacketSealer>),
}

impl Framer {
    /// The bytes of a message.
    pub(super) fn frame(&mut self, message: Outgoing) -> Vec<u8> {
        match self {
            Self::V1(magic) => message.into_v1(*magic),
            Self::V2(sealer) => v2::seal(sealer, message.command(), message.payload()),
        }
    }
}

#[derive(Debug)]
enum Protocol {
    /// They dialled; what came so far could be v1.
    Detecting(Vec<u8>),
    V1(Decoder),
    V2(Box<v2::Receiver>),
}

/// The receiving side of a connection, and what it takes to open the sending side.
#[derive(Debug)]
pub(super) struct Transport {
    magic: Magic,
    protocol: Protocol,
    framer: Option<Framer>,
    is_untouched: bool,
}

impl Transport {
    /// Plain, whoever dialled.
    pub(super) fn v1(magic: Magic) -> Self {
        let protocol = Protocol::V1(Decoder::new(magic));
        Self { magic, protocol, framer: Some(Framer::V1(magic)), is_untouched: true }
    }

    /// Encrypted; we dialled.
    ///
    /// # Errors
    ///
    /// When the operating system has no randomness.
    pub(super) fn initiator(magic: Magic) -> io::Result<Self> {
        let protocol = Protocol::V2(Box::new(v2::Receiver::new(magic, Role::Initiator, Ours::random()?)));
        Ok(Self { magic, protocol, framer: None, is_untouched: true })
    }

    /// Whatever the one who dialled us speaks.
    pub(super) fn responder(magic: Magic) -> Self {
        Self { magic, protocol: Protocol::Detecting(Vec::new()), framer: None, is_untouched: true }
    }

    /// Takes bytes as they arrive.
    ///
    /// # Errors
    ///
    /// When the operating system has no randomness.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_untouched &= bytes.is_empty();
        match &mut self.protocol {
            Protocol::Detecting(prefix) => {
                prefix.extend_from_slice(bytes);
                self.detect()?;
            }
            Protocol::V1(decoder) => decoder.push(bytes),
            Protocol::V2(receiver) => receiver.push(bytes),
        }
        Ok(())
    }

    /// Decides between the two as soon as the bytes do.
    fn detect(&mut self) -> io::Result<()> {
        let Protocol::Detecting(prefix) = &self.protocol else { return Ok(()) };
        let wanted = [&self.magic.to_bytes()[..], &v2::V1_VERSION].concat();
        let count = prefix.len().min(wanted.len());
        if prefix.get(..count) != wanted.get(..count) {
            let mut receiver = v2::Receiver::new(self.magic, Role::Responder, Ours::random()?);
            receiver.push(prefix);
            self.protocol = Protocol::V2(Box::new(receiver));
        } else if count == wanted.len() {
            let mut decoder = Decoder::new(self.magic);
            decoder.push(prefix);
            self.framer = Some(Framer::V1(self.magic));
            self.protocol = Protocol::V1(decoder);
        }
        Ok(())
    }

    /// The next message; `None` until more bytes come.
    ///
    /// # Errors
    ///
    /// [`CodecError`]; the connection cannot go on then.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>, CodecError> {
        match &mut self.protocol {
            Protocol::Detecting(_) => Ok(None),
            Protocol::V1(decoder) => decoder.next_message(),
            Protocol::V2(receiver) => {
                let message = receiver.next_message();
                if let Some(sealer) = receiver.take_sealer() {
                    self.framer = Some(Framer::V2(Box::new(sealer)));
                }
                message
            }
        }
    }

    /// The bytes that were used so far.
    pub(super) fn consumed(&self) -> u64 {
        match &self.protocol {
            Protocol::Detecting(_) => 0,
            Protocol::V1(decoder) => decoder.consumed(),
            Protocol::V2(receiver) => receiver.consumed(),
        }
    }

    /// Bytes to write before any message.
    pub(super) fn take_opening(&mut self) -> Vec<u8> {
        match &mut self.protocol {
            Protocol::Detecting(_) | Protocol::V1(_) => Vec::new(),
            Protocol::V2(receiver) => receiver.take_opening(),
        }
    }

    /// The sending side, once, when messages can be sent: after all that [`Transport::take_opening`] gave until then.
    pub(super) fn take_framer(&mut self) -> Option<Framer> {
        self.framer.take()
    }

    /// What both sides agreed on.
    pub(super) fn agreed(&self) -> TransportProtocol {
        match &self.protocol {
            Protocol::Detecting(_) => TransportProtocol::Detecting,
            Protocol::V1(_) => TransportProtocol::V1,
            Protocol::V2(receiver) => match receiver.session() {
                Some(session_id) => TransportProtocol::V2 { session_id },
                None => TransportProtocol::Detecting,
            },
        }
    }

    /// Whether we began with v2 and not a byte came back.
    pub(super) fn is_unanswered(&self) -> bool {
        self.is_untouched && matches!(self.protocol, Protocol::V2(_))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use mycoin_primitives::bitcoin::p2p::ServiceFlags;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use crate::address_manager::AddressManager;
    use crate::{Node, NodeConfig, Time};

    #[test]
    fn only_learned_addresses_that_were_told_without_v2_are_dialled_plain() {
        let (now, mut rng) = (Time::from_unix_millis(2_000_000_000), StdRng::seed_from_u64(1));
        let (mut addresses, source) = (AddressManager::new((1, 2)), [10, 0, 0, 9].into());
        let with_v2 = ServiceFlags::NETWORK | ServiceFlags::P2P_V2;
        for (address, services) in [("10.0.0.1:1", ServiceFlags::NETWORK), ("10.0.0.2:1", with_v2)] {
            let address: SocketAddr = address.parse().expect("an address");
            addresses.heard(address, services, 0, source, now, &mut rng);
        }
        let node = |connect: &[&str]| {
            let connect = connect.iter().map(|&target| target.to_owned()).collect();
            Node::new(NodeConfig { connect, addresses: addresses.to_bytes(), ..NodeConfig::default() }, now)
        };
        let learned = node(&[]);
        for (target, is_v1) in
            [("10.0.0.1:1", true), ("10.0.0.2:1", false), ("10.0.0.3:1", false), ("node.example.org:1", false)]
        {
            assert_eq!(learned.knows_as_v1(target), is_v1, "{target}");
        }
        assert!(!node(&["10.0.0.1:1"]).knows_as_v1("10.0.0.1:1"), "whoever named it may know better");
    }
}
