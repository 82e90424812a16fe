//! What happens, as the proxy tells it: server-sent events, parsed.

use std::collections::VecDeque;

use mycoin_primitives::{BlockHash, Height, Txid};
use serde::Deserialize;
use serde_json::Value;

use crate::answers::MiningInfo;
use crate::error::LightError;
use crate::esplora::MiningJson;
use crate::http::Http;

/// The longest event that is read, in bytes.
const EVENT_LIMIT: usize = 64 * 1024;
const BAD: LightError = LightError::BadAnswer { what: "the event stream" };

/// Something that happened. A hint to look again, never a proof.
#[derive(Debug, Clone, PartialEq)]
pub enum ProxyEvent {
    /// A block became the tip.
    BlockConnected {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: BlockHash,
    },
    /// A block left the best chain.
    BlockDisconnected {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: BlockHash,
    },
    /// A transaction began to wait.
    TransactionAdded {
        /// Its txid.
        txid: Txid,
    },
    /// A transaction waits no more: confirmed, replaced or expired.
    TransactionRemoved {
        /// Its txid.
        txid: Txid,
    },
    /// The miner's state changed.
    Mining(MiningInfo),
    /// Events were lost: look at everything again.
    Missed,
}

/// Reads one event; `None` for a kind that only newer proxies know.
///
/// By hand: serde's tagged enums cannot read numbers when they are kept exact (`arbitrary_precision`).
fn read_event(json: &[u8]) -> Result<Option<ProxyEvent>, LightError> {
    let event: Value = serde_json::from_slice(json).map_err(|_| BAD)?;
    Ok(Some(match event.get("event").and_then(Value::as_str).ok_or(BAD)? {
        "block_connected" => {
            let block: BlockJson = fields(event)?;
            ProxyEvent::BlockConnected { height: Height::new(block.height), hash: block.hash }
        }
        "block_disconnected" => {
            let block: BlockJson = fields(event)?;
            ProxyEvent::BlockDisconnected { height: Height::new(block.height), hash: block.hash }
        }
        "transaction_added" => ProxyEvent::TransactionAdded { txid: fields::<TxidJson>(event)?.txid },
        "transaction_removed" => ProxyEvent::TransactionRemoved { txid: fields::<TxidJson>(event)?.txid },
        "mining" => ProxyEvent::Mining(fields::<MiningJson>(event)?.read()?),
        "missed" => ProxyEvent::Missed,
        _ => return Ok(None),
    }))
}

fn fields<T: serde::de::DeserializeOwned>(event: Value) -> Result<T, LightError> {
    serde_json::from_value(event).map_err(|_| BAD)
}

#[derive(Deserialize)]
struct BlockJson {
    height: u32,
    hash: BlockHash,
}

#[derive(Deserialize)]
struct TxidJson {
    txid: Txid,
}

/// The events of one connection to a proxy.
#[derive(Debug)]
pub struct EventStream {
    http: Http,
    response: Option<reqwest::Response>,
    lines: Lines,
}

impl EventStream {
    pub(crate) fn new(http: Http, response: reqwest::Response) -> Self {
        Self { http, response: Some(response), lines: Lines::default() }
    }

    /// Waits for the next event; `None` when the proxy closed the connection.
    ///
    /// # Errors
    ///
    /// [`LightError`] when the connection broke or what came is no event; the stream is at its end then.
    pub async fn next(&mut self) -> Option<Result<ProxyEvent, LightError>> {
        let event = self.read().await.transpose();
        if !matches!(event, Some(Ok(_))) {
            self.response = None;
        }
        event
    }

    async fn read(&mut self) -> Result<Option<ProxyEvent>, LightError> {
        loop {
            if let Some(event) = self.lines.next_event()? {
                return Ok(Some(event));
            }
            let Some(response) = &mut self.response else { return Ok(None) };
            match response.chunk().await.map_err(|error| self.http.lost(&error))? {
                Some(chunk) => self.lines.push(&chunk)?,
                None => return Ok(None),
            }
        }
    }
}

/// The lines of a stream, as bytes come in. Source: WHATWG HTML, "server-sent events"; one `data:` line is one event here.
#[derive(Debug, Default)]
struct Lines {
    unfinished: Vec<u8>,
    data: VecDeque<Vec<u8>>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Result<(), LightError> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.unfinished);
                if let Some(data) = line.strip_prefix(b"data:") {
                    self.data.push_back(data.to_vec());
                }
            } else if self.unfinished.len() >= EVENT_LIMIT {
                return Err(BAD);
            } else {
                self.unfinished.push(byte);
            }
        }
        Ok(())
    }

    fn next_event(&mut self) -> Result<Option<ProxyEvent>, LightError> {
        while let Some(data) = self.data.pop_front() {
            if let Some(event) = read_event(&data)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::MinerState;

    const STREAM: &str = concat!(
        ": a sign of life\n\nevent: block_connected\r\n",
        "data: {\"event\":\"block_connected\",\"height\":7,",
        "\"hash\":\"00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048\"}\r\n\r\n",
        "data:{\"event\":\"something_new\",\"x\":1}\n\n",
        "data: {\"event\":\"mining\",\"state\":\"mining\",\"trigger\":{\"transactions\":2},\"waiting\":2,\"hashes_per_second\":1500000,",
        "\"hashes_tried\":12,\"height\":8}\n\n",
        "data: {\"event\":\"missed\"}\n\n",
    );

    #[test]
    fn events_come_out_whole_however_the_bytes_are_cut() {
        for size in [1, 2, 7, 4_096] {
            let mut lines = Lines::default();
            let mut events = Vec::new();
            for part in STREAM.as_bytes().chunks(size) {
                lines.push(part).expect("short lines");
                while let Some(event) = lines.next_event().expect("good events") {
                    events.push(event);
                }
            }
            assert!(
                matches!(
                    events.as_slice(),
                    [
                        ProxyEvent::BlockConnected { .. },
                        ProxyEvent::Mining(MiningInfo { state: MinerState::Mining, .. }),
                        ProxyEvent::Missed
                    ]
                ),
                "{events:?}"
            );
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut lines = Lines::default();
        assert!(lines.push(&vec![b'x'; EVENT_LIMIT]).is_ok());
        assert!(lines.push(b"x").is_err());
    }
}
