//! The list of a wallet's coins, with what can be done with each.
//!
//! In:    the ledger, the keyring and the notes.
//! Out:   every unspent output of ours: where it stands, whether it is frozen, how it is labelled.
//! Never: a coin that is left out: together they are the balance.

use std::collections::HashMap;

use mycoin_primitives::{Amount, Height, OutPoint, Txid, address_of};

use crate::keyring::Keychain;
use crate::ledger::{CoinState, Place};
use crate::notes::Labelled;
use crate::wallet::Wallet;

/// A coin of the wallet: an unspent output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoinEntry {
    /// Which output of which transaction.
    pub outpoint: OutPoint,
    /// What it is worth.
    pub amount: Amount,
    /// Where it lies; `None` for a script that has no address on this coin.
    pub address: Option<String>,
    /// The address' place in its keychain.
    pub index: u32,
    /// Whether that is an address for change.
    pub change: bool,
    /// What can be done with it.
    pub state: CoinState,
    /// The height of the block that holds it.
    pub height: Option<Height>,
    /// How many blocks confirm it: 0 while it waits.
    pub confirmations: u32,
    /// Whether the person froze it: no payment spends it unasked then.
    pub frozen: bool,
    /// Its own label, else that of its address, else that of its transaction.
    pub label: Option<String>,
}

impl Wallet {
    /// Every unspent coin, the newest first: those that wait, then by height.
    pub fn coin_list(&self) -> Vec<CoinEntry> {
        let transactions = self.ledger.transactions();
        let heights: HashMap<Txid, Height> = transactions
            .iter()
            .filter_map(|entry| match entry.place {
                Place::Block { height, .. } => Some((entry.txid, height)),
                Place::Waiting { .. } => None,
            })
            .collect();
        let next_block = self.tip().next();
        let mut list: Vec<CoinEntry> = self
            .coins()
            .into_iter()
            .map(|coin| {
                let height = heights.get(&coin.outpoint.txid).copied();
                let address = address_of(&coin.output.script_pubkey, self.network());
                let by_address = || self.label(&Labelled::Address(address.clone()?));
                let label = self
                    .label(&Labelled::Coin(coin.outpoint))
                    .or_else(by_address)
                    .or_else(|| self.label(&Labelled::Transaction(coin.outpoint.txid)))
                    .map(str::to_owned);
                CoinEntry {
                    outpoint: coin.outpoint,
                    amount: coin.output.value,
                    index: coin.origin.index,
                    change: coin.origin.keychain == Keychain::Internal,
                    state: coin.state,
                    height,
                    confirmations: height.map_or(0, |height| next_block.above(height)),
                    frozen: self.notes.frozen.contains(&coin.outpoint),
                    address,
                    label,
                }
            })
            .collect();
        list.sort_by_key(|coin| std::cmp::Reverse((coin.height.is_none(), coin.height)));
        list
    }
}
