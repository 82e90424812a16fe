//! Handing a signed payment to the network, and what is noted of it.
//!
//! In:    a draft, its signed transaction, a proxy.
//! Out:   its txid, or in words what became of it.
//! Never: a note of a payment that was refused; a payment that may have gone out and is forgotten.

use std::collections::BTreeSet;

use mycoin_light::{LightError, ProxyClient};
use mycoin_primitives::{Failure, Transaction, Txid};

use crate::error::WalletError;
use crate::ledger::Change;
use crate::notes::Labelled;
use crate::payment::Draft;
use crate::wallet::{Wallet, now};

/// Why a signed payment did not go out, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It was refused, or never left. The wallet is as it was before.
    #[error("the payment was not sent, and the wallet is as it was: {0}")]
    Refused(#[source] LightError),
    /// The proxy was lost in mid-sentence. The payment is noted as waiting, so that its coins are not spent again.
    #[error(
        "nobody knows whether the payment {txid} went out: {source} It is kept as waiting, so that nothing is paid twice."
    )]
    Unclear {
        /// The payment.
        txid: Txid,
        /// What happened.
        #[source]
        source: LightError,
    },
    /// It went out, but could not be noted.
    #[error("the payment {txid} was sent, but could not be noted in the wallet file: {source}")]
    NotNoted {
        /// The payment.
        txid: Txid,
        /// Why.
        #[source]
        source: WalletError,
    },
}

impl Failure for PublishError {
    fn code(&self) -> &'static str {
        match self {
            Self::Refused(source) => source.code(),
            Self::Unclear { .. } => "payment/unclear",
            Self::NotNoted { source, .. } => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Refused(source) if source.next_step().is_empty() => "Prepare the payment again.",
            Self::Refused(source) => source.next_step(),
            Self::Unclear { .. } => {
                "Do not pay again. When the proxy answers, let the doctor look at it: it can be sent again or given up."
            }
            Self::NotNoted { source, .. } => source.next_step(),
        }
    }
}

/// Whether the transaction may have reached the network although the proxy did not say so.
pub(crate) fn is_unclear(error: &LightError) -> bool {
    match error {
        LightError::TimedOut { .. } | LightError::Unreachable { .. } => true,
        LightError::BadAnswer { .. } | LightError::AnswerTooLong { .. } => true,
        LightError::Refused { code, .. } => *code == "proxy/server-slow" || *code == "proxy/server-away",
        LightError::BadUrl { .. }
        | LightError::NotFound { .. }
        | LightError::TooManyRequests { .. }
        | LightError::BadSpec { .. }
        | LightError::WrongNetwork { .. }
        | LightError::Proof(_) => false,
    }
}

/// Whether the refusal says that the network has it.
pub(crate) fn is_known_already(error: &LightError) -> bool {
    matches!(error, LightError::Refused { code: "tx/already-sent" | "tx/already-confirmed", .. })
}

impl Wallet {
    /// Hands a signed payment to the network by a proxy, and notes it with its label.
    ///
    /// # Errors
    ///
    /// [`PublishError`] says whether anything was noted.
    pub async fn publish(
        &mut self,
        draft: &Draft,
        tx: &Transaction,
        label: Option<&str>,
        proxy: &ProxyClient,
    ) -> Result<Txid, PublishError> {
        // A proxy that is away before it is told of the payment never saw it.
        proxy.status().await.map_err(PublishError::Refused)?;
        let txid = tx.compute_txid();
        let unclear = match proxy.broadcast(tx).await {
            Ok(_) => None,
            Err(error) if is_known_already(&error) => None,
            Err(error) if is_unclear(&error) => Some(error),
            Err(error) => return Err(PublishError::Refused(error)),
        };
        let noted = self.note_payment(draft, tx, label, now());
        match unclear {
            Some(source) => Err(PublishError::Unclear { txid, source }),
            None => noted.map(|()| txid).map_err(|source| PublishError::NotNoted { txid, source }),
        }
    }

    /// Notes a payment that went out: itself, what it takes the place of, and what the person wrote on it.
    pub(crate) fn note_payment(
        &mut self,
        draft: &Draft,
        tx: &Transaction,
        label: Option<&str>,
        now: u64,
    ) -> Result<(), WalletError> {
        let txid = tx.compute_txid();
        let mut change = self.sent(tx, now);
        // The new one is the same payment to the person who made it.
        let old = draft.replaces().iter().find_map(|gone| self.notes.labels.get(&Labelled::Transaction(*gone)));
        if let Some(label) = label.or(old.map(String::as_str)).filter(|label| !label.is_empty()) {
            change.notes.labels.insert(Labelled::Transaction(txid), Some(label.to_owned()));
        }
        for paid in draft.review().recipients.iter().filter(|paid| !paid.label.is_empty()) {
            let address = Labelled::Address(paid.address.clone());
            if !self.notes.labels.contains_key(&address) {
                change.notes.labels.insert(address, Some(paid.label.clone()));
            }
        }
        self.commit(change)
    }

    /// A transaction that goes out now, and what it takes the place of.
    pub(crate) fn sent(&self, tx: &Transaction, now: u64) -> Change {
        let txid = tx.compute_txid();
        let mut change = Change::default();
        change.graph.last_evicted.extend(self.rivals(tx, now));
        change.graph.txs.insert(tx.clone().into());
        change.graph.first_seen.insert(txid, now);
        change.graph.last_seen.insert(txid, now);
        change
    }

    /// What else spends the coins of a payment that goes out now, with all that spends from that, and when it is gone.
    fn rivals(&self, tx: &Transaction, now: u64) -> Vec<(Txid, u64)> {
        let txid = tx.compute_txid();
        let spenders = tx.input.iter().flat_map(|input| self.ledger.spenders(input.previous_output));
        let rivals: BTreeSet<Txid> = spenders.copied().filter(|rival| *rival != txid).collect();
        let gone: BTreeSet<Txid> = rivals.into_iter().flat_map(|rival| self.with_descendants(rival)).collect();
        gone.into_iter().map(|gone| (gone, now.max(self.ledger.last_seen(gone).unwrap_or(0)))).collect()
    }
}
