//! Coins that are kept back, and payments that are sent again or given up.
//!
//! In:    what a person decides.
//! Out:   notes in the wallet file; a transaction handed to a proxy once more.
//! Never: a payment given up that the proxy knows.

use std::collections::BTreeSet;

use mycoin_light::{LightError, ProxyClient};
use mycoin_primitives::{AddressError, Failure, OutPoint, Txid, parse_address};

use crate::error::WalletError;
use crate::fix_error::FixError;
use crate::ledger::{Change, Place};
use crate::publish::is_known_already;
use crate::wallet::{Wallet, now};

/// Why coins could not be frozen, or unfrozen.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// The wallet has no such coin.
    #[error("the wallet has no unspent coin {coin}")]
    NoSuchCoin {
        /// The coin.
        coin: OutPoint,
    },
    /// Nothing unspent lies at the address.
    #[error("no unspent coin of this wallet lies at {address}")]
    NothingThere {
        /// The address.
        address: String,
    },
    /// Neither a coin nor an address.
    #[error("“{text}” is neither a coin (TXID:NUMBER) nor an address: {source}")]
    NotUnderstood {
        /// What was typed.
        text: String,
        /// Why it is no address.
        source: AddressError,
    },
    /// The wallet file could not be written.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl Failure for FreezeError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchCoin { .. } => "freeze/no-such-coin",
            Self::NothingThere { .. } => "freeze/nothing-there",
            Self::NotUnderstood { .. } => "freeze/not-understood",
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::NoSuchCoin { .. } | Self::NothingThere { .. } | Self::NotUnderstood { .. } => {
                "Look at the list of coins."
            }
            Self::Wallet(source) => source.next_step(),
        }
    }
}

impl Wallet {
    /// Keeps coins back from every payment, or frees them again: one coin, or all that lie at an address now. Gives the
    /// coins for which that is news.
    ///
    /// # Errors
    ///
    /// [`FreezeError`].
    pub fn freeze(&mut self, what: &str, frozen: bool) -> Result<Vec<OutPoint>, FreezeError> {
        let what = what.trim();
        let coins: Vec<OutPoint> = match what.parse::<OutPoint>() {
            Ok(coin) => {
                let is_ours = self.coins().iter().any(|ours| ours.outpoint == coin);
                // A frozen coin that was spent elsewhere can still be freed.
                if !is_ours && !self.notes.frozen.contains(&coin) {
                    return Err(FreezeError::NoSuchCoin { coin });
                }
                vec![coin]
            }
            Err(_) => {
                let script = parse_address(what, self.network())
                    .map_err(|source| FreezeError::NotUnderstood { text: what.to_owned(), source })?;
                let coins = self.coins().into_iter();
                coins.filter(|coin| coin.output.script_pubkey == script).map(|coin| coin.outpoint).collect()
            }
        };
        if coins.is_empty() {
            return Err(FreezeError::NothingThere { address: what.to_owned() });
        }
        let news: Vec<OutPoint> = coins.into_iter().filter(|coin| self.notes.frozen.contains(coin) != frozen).collect();
        let mut change = Change::default();
        change.notes.frozen.extend(news.iter().map(|coin| (*coin, frozen)));
        self.commit(change)?;
        Ok(news)
    }

    /// Gives a payment up that the proxy does not know: its coins are free again. What spends from it falls with it. A node
    /// that kept it could still confirm it; only spending one of its coins otherwise makes sure that none does.
    ///
    /// # Errors
    ///
    /// [`FixError::StillKnown`]; [`FixError`].
    pub async fn abandon(&mut self, txid: Txid, proxy: &ProxyClient) -> Result<BTreeSet<Txid>, FixError> {
        self.waiting(txid)?;
        let given_up = self.with_descendants(txid);
        for one in &given_up {
            if is_known(proxy, one).await? {
                return Err(FixError::StillKnown { txid: *one });
            }
        }
        self.give_up(&given_up, now())?;
        Ok(given_up)
    }

    pub(crate) fn give_up(&mut self, txids: &BTreeSet<Txid>, now: u64) -> Result<(), WalletError> {
        let mut change = Change::default();
        for txid in txids {
            change.graph.last_evicted.insert(*txid, now.max(self.ledger.last_seen(*txid).unwrap_or(0)));
            change.notes.abandoned.insert(*txid, true);
        }
        self.commit(change)
    }

    /// Takes back that a payment was given up: it waits again, and its coins are bound. What spent from it stays given up.
    ///
    /// # Errors
    ///
    /// [`FixError::NotAbandoned`].
    pub fn undo_abandon(&mut self, txid: Txid) -> Result<(), FixError> {
        if !self.ledger.knows(txid) {
            return Err(FixError::Unknown { txid });
        }
        if !self.notes.abandoned.contains(&txid) {
            return Err(FixError::NotAbandoned { txid });
        }
        Ok(self.wait_again(txid, now())?)
    }

    pub(crate) fn wait_again(&mut self, txid: Txid, now: u64) -> Result<(), WalletError> {
        let mut change = Change::default();
        if self.notes.abandoned.contains(&txid) {
            change.notes.abandoned.insert(txid, false);
        }
        if !self.ledger.is_seen(txid) {
            // Later than when it was noted as gone, and than anything that spends the same coins.
            let later = self.ledger.last_evicted(txid).map_or(now, |gone| now.max(gone.saturating_add(1)));
            change.graph.last_seen.insert(txid, later);
        }
        self.commit(change)
    }

    /// Hands a waiting transaction to the network once more, its waiting parents before it.
    ///
    /// # Errors
    ///
    /// [`FixError::Proxy`] when it is refused; [`FixError`].
    pub async fn rebroadcast(&mut self, txid: Txid, proxy: &ProxyClient) -> Result<(), FixError> {
        let chain = match self.waiting(txid) {
            Ok(_) => self.with_ancestors(txid).into_iter().map(|entry| entry.tx).collect(),
            // What was given up, or vanished, may be sent again too, unless something else spends its coins.
            Err(FixError::Gone { .. }) if self.replaced_by(txid).is_none() => {
                self.ledger.transaction(txid).into_iter().collect::<Vec<_>>()
            }
            Err(error) => return Err(error),
        };
        for tx in chain {
            let is_it = tx.compute_txid() == txid;
            match proxy.broadcast(&tx).await {
                Ok(_) => {}
                Err(error) if is_known_already(&error) => {}
                Err(error) if is_it => return Err(error.into()),
                // If the parent is missing, the child's refusal says so.
                Err(_) => {}
            }
        }
        Ok(self.wait_again(txid, now())?)
    }

    /// The transaction that counts and spends a coin of this one, which does not.
    pub(crate) fn replaced_by(&self, txid: Txid) -> Option<(Txid, Place)> {
        let tx = self.ledger.transaction(txid)?;
        let rivals: BTreeSet<Txid> = tx
            .input
            .iter()
            .flat_map(|input| self.ledger.spenders(input.previous_output))
            .filter(|rival| **rival != txid)
            .copied()
            .collect();
        let transactions = self.ledger.transactions();
        transactions.iter().find(|entry| rivals.contains(&entry.txid)).map(|entry| (entry.txid, entry.place))
    }
}

/// Whether the proxy knows the transaction.
pub(crate) async fn is_known(proxy: &ProxyClient, txid: &Txid) -> Result<bool, LightError> {
    match proxy.transaction_status(txid).await {
        Ok(_) => Ok(true),
        Err(LightError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
