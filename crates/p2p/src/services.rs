//! What a peer's service bits let us ask it for, and whom we let go for lack of them.
//!
//! | it offers | headers | blocks | transactions by txid |
//! |---|---|---|---|
//! | all blocks, with witnesses | yes | all | with witness |
//! | the latest blocks, with witnesses (it prunes: BIP159) | yes | the latest | with witness |
//! | blocks without witnesses (older than BIP144) | yes | none | without |
//! | no blocks (light clients, senders that stay nameless) | no | none | without |
//!
//! Source: Bitcoin Core `CanServeBlocks`, `IsLimitedPeer`, `CanServeWitnesses`, `FindNextBlocks`,
//! `GetDesirableServiceFlags`, net_processing.cpp.

use mycoin_primitives::Height;
use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;

use crate::limits::LATEST_BLOCKS;
use crate::peer::{Peer, TransactionKey};
use crate::{ConnectionKind, World};

/// Whether a node that offers this keeps the latest blocks at least.
fn is_any_blocks(services: ServiceFlags) -> bool {
    services.has(ServiceFlags::NETWORK) || services.has(ServiceFlags::NETWORK_LIMITED)
}

/// Whether a peer of our choice may stay: it keeps all blocks, or the latest ones and we need no others.
pub(crate) fn is_good_choice(world: &dyn World, kind: ConnectionKind, services: ServiceFlags) -> bool {
    match kind {
        ConnectionKind::Inbound | ConnectionKind::Manual | ConnectionKind::Feeler => true,
        ConnectionKind::OutboundFull | ConnectionKind::BlockOnly => {
            let blocks = if world.is_syncing() { services.has(ServiceFlags::NETWORK) } else { is_any_blocks(services) };
            blocks && services.has(ServiceFlags::WITNESS)
        }
    }
}

impl Peer {
    fn services(&self) -> ServiceFlags {
        self.introduction.as_ref().map_or(ServiceFlags::NONE, |known| known.services)
    }

    /// Whether it has a chain to tell of.
    pub(crate) fn serves_headers(&self) -> bool {
        self.is_ready() && is_any_blocks(self.services())
    }

    /// Whether it keeps blocks with witnesses: all, or the latest.
    pub(crate) fn serves_blocks(&self) -> bool {
        self.serves_headers() && self.services().has(ServiceFlags::WITNESS)
    }

    /// Whether it keeps the block of that height, if that is on its chain.
    pub(crate) fn keeps_block(&self, height: Height) -> bool {
        let depth = self.chain.best_known.map(|(best, _)| best.above(height));
        self.services().has(ServiceFlags::NETWORK) || depth.is_some_and(|depth| depth < LATEST_BLOCKS)
    }

    /// How it is asked for a transaction. One that knows no witnesses does not know how to be asked for them.
    pub(crate) fn item_for_transaction(&self, key: TransactionKey) -> Inventory {
        match key {
            TransactionKey::Wtxid(wtxid) => Inventory::WTx(wtxid),
            TransactionKey::Txid(txid) if self.services().has(ServiceFlags::WITNESS) => {
                Inventory::WitnessTransaction(txid)
            }
            TransactionKey::Txid(txid) => Inventory::Transaction(txid),
        }
    }
}
