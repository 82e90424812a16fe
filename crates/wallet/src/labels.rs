//! Labels: what a person remembers of a transaction, an address or a coin.
//!
//! In:    what is labelled, and the text.
//! Out:   the label, kept in the wallet's file.
//! Never: a text that hides something; a change of what the chain says.

use std::collections::BTreeMap;

use mycoin_primitives::{AddressError, Failure, Network, OutPoint, Txid, address_of, parse_address};

use crate::error::WalletError;
use crate::ledger::Change;
use crate::notes::{Labelled, NotesChange};
use crate::text::{TEXT_LIMIT, TextError, checked};
use crate::wallet::Wallet;

/// Why something could not be labelled.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// What is to be labelled was not understood.
    #[error(
        "“tx:” and “output:” are followed by a transaction's id of 64 hexadecimal digits, a coin's with a colon and its number"
    )]
    NoTransaction,
    /// It is neither a transaction nor a coin, so it should be an address, and is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The text may not be kept.
    #[error("the label was refused: {0}")]
    Text(#[from] TextError),
    /// The wallet file could not be written.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl Failure for LabelError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoTransaction => "label/no-transaction",
            Self::Address(source) => source.code(),
            Self::Text(_) => "label/text",
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::NoTransaction => "Name it as tx:TXID, TXID:NUMBER or an address.",
            Self::Address(source) => source.next_step(),
            Self::Text(_) => "Write a shorter text in one line.",
            Self::Wallet(source) => source.next_step(),
        }
    }
}

impl Labelled {
    /// Reads what a person typed: `tx:TXID` or a bare id, `TXID:NUMBER` of a coin, or an address.
    ///
    /// # Errors
    ///
    /// [`LabelError`] says what is wrong with it.
    pub fn parse(text: &str, network: &Network) -> Result<Self, LabelError> {
        let text = text.trim();
        let (kind, rest) = text.split_once(':').unwrap_or(("", text));
        match kind {
            "tx" => rest.parse().map(Self::Transaction).map_err(|_| LabelError::NoTransaction),
            "output" => rest.parse().map(Self::Coin).map_err(|_| LabelError::NoTransaction),
            "addr" => Self::address(rest, network),
            _ => match (text.parse::<OutPoint>(), text.parse::<Txid>()) {
                (Ok(coin), _) => Ok(Self::Coin(coin)),
                (Err(_), Ok(txid)) => Ok(Self::Transaction(txid)),
                (Err(_), Err(_)) => Self::address(text, network),
            },
        }
    }

    /// An address, as this coin writes it.
    pub(crate) fn address(text: &str, network: &Network) -> Result<Self, LabelError> {
        let script = parse_address(text, network)?;
        Ok(Self::Address(address_of(&script, network).unwrap_or_else(|| text.trim().to_owned())))
    }
}

impl Wallet {
    /// The label of exactly this.
    pub fn label(&self, of: &Labelled) -> Option<&str> {
        self.notes.labels.get(of).map(String::as_str)
    }

    /// All labels.
    pub fn labels(&self) -> impl Iterator<Item = (&Labelled, &str)> {
        self.notes.labels.iter().map(|(labelled, label)| (labelled, label.as_str()))
    }

    /// Labels something; an empty text takes its label away.
    ///
    /// # Errors
    ///
    /// [`LabelError::Text`] when the text is too long or hides something, [`LabelError::Wallet`] when it could not be written.
    pub fn set_label(&mut self, of: Labelled, text: &str) -> Result<(), LabelError> {
        let text = checked(text, TEXT_LIMIT)?;
        let label = (!text.is_empty()).then_some(text);
        if self.label(&of) != label.as_deref() {
            let notes = NotesChange { labels: BTreeMap::from([(of, label)]), ..NotesChange::default() };
            self.commit(Change { notes, ..Change::default() })?;
        }
        Ok(())
    }
}
