//! The list of a wallet's addresses, with what became of each.
//!
//! In:    the keyring and the ledger.
//! Out:   every address that was handed out or paid to, change too, with its use and balance.
//! Never: an address that the wallet has not noted in its file.

use std::collections::{HashMap, HashSet};

use mycoin_primitives::{Amount, OutPoint, Txid, address_of};

use crate::keyring::{Keychain, Origin};
use crate::wallet::Wallet;

/// One of the wallet's addresses, with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressEntry {
    /// The address.
    pub address: String,
    /// Its place in its keychain.
    pub index: u32,
    /// Whether it is for change; others are handed out.
    pub change: bool,
    /// What was ever paid to it, waiting payments included.
    pub received: Amount,
    /// What of that is unspent.
    pub balance: Amount,
    /// How many transactions pay to it or spend from it.
    pub transactions: usize,
}

impl AddressEntry {
    /// Whether anything was ever paid to it. Such an address should not be handed out again.
    pub const fn is_used(&self) -> bool {
        self.transactions > 0
    }
}

#[derive(Default)]
struct Use {
    received: Amount,
    balance: Amount,
    transactions: HashSet<Txid>,
}

impl Wallet {
    /// Every address that was handed out or paid to: receiving addresses first, each kind oldest first.
    pub fn address_list(&self) -> Vec<AddressEntry> {
        let mut uses = self.uses();
        let handed_out = self.keyring.handed_out().into_iter();
        let mut places: Vec<Origin> =
            handed_out.map(|(index, ..)| Origin { keychain: Keychain::External, index }).collect();
        if let Some(last) = self.keyring.revealed().get(&Keychain::Internal) {
            places.extend((0..=*last).map(|index| Origin { keychain: Keychain::Internal, index }));
        }
        let entry = |origin: Origin| {
            let script = self.keyring.script_at(origin)?;
            let Use { received, balance, transactions } = uses.remove(&origin).unwrap_or_default();
            Some(AddressEntry {
                address: address_of(&script, self.network())?,
                index: origin.index,
                change: origin.keychain == Keychain::Internal,
                received,
                balance,
                transactions: transactions.len(),
            })
        };
        places.into_iter().filter_map(entry).collect()
    }

    fn uses(&self) -> HashMap<Origin, Use> {
        let mut uses = HashMap::<Origin, Use>::new();
        let mut owners = HashMap::<OutPoint, Origin>::new();
        // In this order each transaction stands after those that it spends from.
        for entry in self.ledger.transactions().iter() {
            for (vout, output) in (0..).zip(&entry.tx.output) {
                let Some(origin) = self.keyring.origin(&output.script_pubkey) else { continue };
                owners.insert(OutPoint { txid: entry.txid, vout }, origin);
                let one = uses.entry(origin).or_default();
                one.received = one.received.checked_add(output.value).unwrap_or(one.received);
                one.transactions.insert(entry.txid);
            }
            for origin in entry.tx.input.iter().filter_map(|input| owners.get(&input.previous_output)) {
                uses.entry(*origin).or_default().transactions.insert(entry.txid);
            }
        }
        for coin in self.coins() {
            let one = uses.entry(coin.origin).or_default();
            one.balance = one.balance.checked_add(coin.output.value).unwrap_or(one.balance);
        }
        uses
    }
}
