//! What peers can make us remember, measured on a process of its own: nothing else runs in it.

use mycoin_p2p::{Decoder, Message, encode};
use mycoin_primitives::bitcoin::p2p::address::Address;
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use mycoin_primitives::bitcoin::p2p::{Magic, ServiceFlags};
use mycoin_primitives::hashes::{Hash as _, sha256d};

const MAGIC: Magic = Magic::REGTEST;

/// A figure of this process in bytes. Source: proc(5), `VmHWM`: the most that it had.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find(|line| line.starts_with(name)).expect("it is told");
    let kilobytes: String = line.chars().filter(char::is_ascii_digit).collect();
    kilobytes.parse::<u64>().expect("a number") * 1_024
}

fn version(nonce: u64) -> Message {
    let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS;
    let nowhere = Address { services, address: [0; 8], port: 0 };
    Message::Version(Box::new(VersionMessage {
        version: 70_016,
        services,
        timestamp: 0,
        receiver: nowhere.clone(),
        sender: nowhere,
        nonce,
        user_agent: "/Puppet:1/".to_owned(),
        start_height: 0,
        relay: true,
    }))
}

/// A frame of any command and payload.
fn frame(command: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_bytes().to_vec();
    bytes.extend_from_slice(command.as_bytes());
    bytes.resize(16, 0);
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&sha256d::Hash::hash(payload).to_byte_array()[..4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// Lengths of 2³²−1 and 2⁶⁴−1 with ten bytes after them, in every message that has one.
fn promises_cost_nothing() {
    let commands = [
        ("inv", 0),
        ("getdata", 0),
        ("notfound", 0),
        ("addr", 0),
        ("addrv2", 0),
        ("headers", 0),
        ("getheaders", 4),
        ("getblocks", 4),
        ("tx", 4),
        ("tx", 5),
        ("block", 80),
        ("cmpctblock", 88),
        ("getblocktxn", 32),
        ("blocktxn", 32),
        ("version", 80),
    ];
    for (command, before) in commands {
        for length in [&[0xfe, 0xff, 0xff, 0xff, 0xff][..], &[0xff; 9]] {
            let mut decoder = Decoder::new(MAGIC);
            decoder.push(&frame(command, &[&vec![1; before], length, &[0; 10]].concat()));
            assert!(decoder.next_message().is_err(), "{command}");
        }
    }
    // The header's own length, of the longest message that there may be, after the handshake.
    let mut waiting = Vec::new();
    for nonce in 0..100 {
        let mut decoder = Decoder::new(MAGIC);
        decoder.push(&[encode(MAGIC, &version(nonce)), encode(MAGIC, &Message::Verack)].concat());
        assert!(decoder.next_message().is_ok() && decoder.next_message().is_ok());
        let mut bytes = frame("block", &[0; 10]);
        bytes[16..20].copy_from_slice(&4_000_000u32.to_le_bytes());
        decoder.push(&bytes);
        assert_eq!(decoder.next_message(), Ok(None));
        waiting.push(decoder);
    }
}

#[test]
fn lengths_that_promise_more_than_follows_cost_nothing() {
    let before = memory("VmHWM");
    promises_cost_nothing();
    let promised = memory("VmHWM") - before;
    assert!(promised < 5_000_000, "{promised} B");
}
