//! What happens, as the proxy tells it: server-sent events, parsed.

use mycoin_primitives::{BlockHash, Height, Txid};

use crate::answers::MiningInfo;
use crate::error::LightError;

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

/// The events of one connection to a proxy.
#[derive(Debug)]
pub struct EventStream {
    response: (),
}

impl EventStream {
    /// Waits for the next event; `None` when the proxy closed the connection.
    ///
    /// # Errors
    ///
    /// [`LightError`] when the connection broke or what came is no event; the stream is at its end then.
    pub async fn next(&mut self) -> Option<Result<ProxyEvent, LightError>> {
        todo!()
    }
}
