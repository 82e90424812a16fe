//! Bringing the ledger up to date with what a proxy tells, and proves.

use mycoin_light::ProxyClient;
use mycoin_primitives::Height;

use crate::error::SyncError;
use crate::wallet::Wallet;

/// What a synchronisation found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncReport {
    /// The best chain's height.
    pub tip: Height,
    /// How many transactions were not known before.
    pub new_transactions: usize,
    /// How many transactions got their first block.
    pub newly_confirmed: usize,
    /// How many waiting transactions vanished: replaced, or dropped by the network.
    pub vanished: usize,
    /// How many blocks of the chain that we knew are no longer part of the best chain.
    pub blocks_undone: u32,
}

impl Wallet {
    /// Asks a proxy for everything that concerns this wallet, checks it, and writes what is new.
    ///
    /// # Errors
    ///
    /// [`SyncError`]; the wallet is unchanged then, so its balance is what it was.
    pub async fn sync(&mut self, proxy: &ProxyClient) -> Result<SyncReport, SyncError> {
        let _ = proxy;
        todo!()
    }
}
