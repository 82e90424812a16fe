//! Why is it not confirmed, what can be done, and what does each cost?
//!
//! In:    what the wallet knows of a transaction; whether the proxy knows it, and what its mempool takes.
//! Out:   a [`Diagnosis`] in plain sentences, each remedy with its price.
//! Never: a change of the wallet; a promise.

use mycoin_light::ProxyClient;
use mycoin_primitives::{Amount, FeeRate, Height, Txid, format_amount};

use crate::abandon::is_known;
use crate::bump::vsize;
use crate::fix_error::FixError;
use crate::ledger::Place;
use crate::payment::FeeChoice;
use crate::wallet::Wallet;

/// The remedies are worked out for the next block.
const NEXT_BLOCK: FeeChoice = FeeChoice::Target { blocks: 1 };

/// What is known of a transaction, and what can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The transaction.
    pub txid: Txid,
    /// Where it stands.
    pub standing: Standing,
    /// What it pays the miner, where every coin that it spends is known.
    pub fee: Option<Amount>,
    /// Its size, in virtual bytes.
    pub vsize: u64,
    /// What it pays for its size.
    pub rate: Option<FeeRate>,
    /// The estimate for the next block.
    pub next_block: Option<FeeRate>,
    /// The least that the proxy's mempool takes now.
    pub minimum: Option<FeeRate>,
    /// Why it is where it is.
    pub reasons: Vec<Reason>,
    /// What can be done, the cheapest first.
    pub remedies: Vec<Remedy>,
}

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A block holds it.
    Confirmed {
        /// The block's height.
        height: Height,
        /// How many blocks confirm it.
        confirmations: u32,
    },
    /// The proxy knows it; no block holds it yet.
    Waiting,
    /// It waits here, but the proxy does not know it.
    NotKnown,
    /// Another transaction spends the same coins.
    Replaced {
        /// Which.
        by: Txid,
        /// Whether a block holds that one.
        confirmed: bool,
    },
    /// The person gave it up.
    Abandoned,
    /// It was paid by others, and the proxy shows it no more.
    Vanished,
}

/// Why a transaction is where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Others pay more, and blocks are filled with those who pay most.
    LowFee {
        /// What it pays.
        rate: FeeRate,
        /// The estimate for the next block.
        wanted: FeeRate,
        /// Within how many blocks its rate usually suffices, as far as there are estimates.
        blocks: Option<u16>,
    },
    /// The proxy's mempool takes nothing that pays so little, so it was dropped or never taken.
    BelowMinimum {
        /// What it pays.
        rate: FeeRate,
        /// The least that is taken.
        minimum: FeeRate,
    },
    /// It spends from others that wait, and those pay less.
    WaitsForParents {
        /// Which, the first in the chain first.
        parents: Vec<Txid>,
        /// What all of them pay together.
        rate: Option<FeeRate>,
    },
    /// It pays enough: the next blocks should hold it.
    OnlyWaits,
    /// There are no estimates to compare its fee with.
    NoEstimates,
    /// It never arrived, or was dropped because it was there too long or the mempool was full.
    NeverArrived,
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing.
    Wait,
    /// Hand it to the network once more.
    Rebroadcast,
    /// Replace it by the same payment with a higher fee.
    Bump {
        /// The new fee.
        fee: Amount,
        /// What that costs on top of the old one.
        extra: Amount,
        /// The new rate.
        rate: FeeRate,
    },
    /// Spend one of its outputs with a fee for both.
    Accelerate {
        /// What that costs.
        fee: Amount,
        /// The rate of the child.
        rate: FeeRate,
    },
    /// Replace it by a payment to ourselves.
    Cancel {
        /// What that costs, the old fee included.
        fee: Amount,
    },
    /// Give it up: its coins are free again.
    Abandon,
    /// Take back that it was given up.
    UndoAbandon,
}

impl Wallet {
    /// Looks at a transaction, and asks the proxy whether it knows it and what its mempool takes.
    ///
    /// # Errors
    ///
    /// [`FixError::Unknown`], [`FixError::Proxy`].
    pub async fn examine(&mut self, txid: Txid, proxy: &ProxyClient) -> Result<Diagnosis, FixError> {
        self.learn_minimum(proxy).await;
        let known = match self.waiting(txid) {
            Ok(_) => is_known(proxy, &txid).await?,
            Err(FixError::Confirmed { .. } | FixError::Gone { .. }) => false,
            Err(error) => return Err(error),
        };
        self.diagnose(txid, known)
    }

    /// Asks the proxy for the least rate that its mempool takes. Without an answer, nothing is known of it.
    pub async fn learn_minimum(&mut self, proxy: &ProxyClient) {
        self.mempool_minimum = proxy.mempool_minimum().await.unwrap_or_default();
    }

    /// The transactions that wait or were given up: those that the doctor should look at.
    pub fn unsettled(&self) -> Vec<Txid> {
        let transactions = self.ledger.transactions();
        let counts = |txid: &Txid| transactions.iter().any(|entry| entry.txid == *txid);
        let waiting = transactions.iter().filter(|entry| matches!(entry.place, Place::Waiting { .. }));
        let given_up = self.notes.abandoned.iter().filter(|txid| !counts(txid) && self.replaced_by(**txid).is_none());
        waiting.map(|entry| entry.txid).chain(given_up.copied()).collect()
    }

    pub(crate) fn diagnose(&self, txid: Txid, known: bool) -> Result<Diagnosis, FixError> {
        let tx = self.ledger.transaction(txid).ok_or(FixError::Unknown { txid })?;
        let fee = self.ledger.fee(&tx);
        let size = vsize(&tx);
        let standing = match self.waiting(txid) {
            Ok(_) if known => Standing::Waiting,
            Ok(_) => Standing::NotKnown,
            Err(FixError::Confirmed { height, .. }) => {
                Standing::Confirmed { height, confirmations: self.tip().next().above(height) }
            }
            Err(_) => match self.replaced_by(txid) {
                Some((by, place)) => Standing::Replaced { by, confirmed: matches!(place, Place::Block { .. }) },
                None if self.notes.abandoned.contains(&txid) => Standing::Abandoned,
                None => Standing::Vanished,
            },
        };
        let mut diagnosis = Diagnosis {
            txid,
            standing,
            fee,
            vsize: size,
            rate: fee.map(|fee| FeeRate::of(fee, size)),
            next_block: self.estimate(1),
            minimum: self.mempool_minimum,
            reasons: Vec::new(),
            remedies: Vec::new(),
        };
        diagnosis.reasons = self.reasons(&diagnosis);
        diagnosis.remedies = self.remedies(&diagnosis);
        Ok(diagnosis)
    }

    fn reasons(&self, of: &Diagnosis) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if !matches!(of.standing, Standing::Waiting | Standing::NotKnown) {
            return reasons;
        }
        let below = of.rate.zip(of.minimum).filter(|(rate, minimum)| rate < minimum);
        if let Some((rate, minimum)) = below {
            reasons.push(Reason::BelowMinimum { rate, minimum });
        } else if of.standing == Standing::NotKnown {
            reasons.push(Reason::NeverArrived);
        }
        let mut parents: Vec<Txid> = self.with_ancestors(of.txid).into_iter().map(|entry| entry.txid).collect();
        parents.retain(|parent| *parent != of.txid);
        if !parents.is_empty() {
            reasons.push(Reason::WaitsForParents { parents, rate: self.mining_rate(of.txid) });
        }
        let effective = self.mining_rate(of.txid).or(of.rate);
        match (effective, of.next_block) {
            (Some(rate), Some(wanted)) if rate < wanted && below.is_none() => {
                let enough = |(_, estimate): &(&u16, &FeeRate)| **estimate <= rate;
                let blocks = self.fee_estimates.iter().find(enough).map(|(blocks, _)| *blocks);
                reasons.push(Reason::LowFee { rate, wanted, blocks });
            }
            (_, None) => reasons.push(Reason::NoEstimates),
            (Some(_), Some(_)) if reasons.is_empty() => reasons.push(Reason::OnlyWaits),
            (_, Some(_)) => {}
        }
        reasons
    }

    fn remedies(&self, of: &Diagnosis) -> Vec<Remedy> {
        let mut remedies = match of.standing {
            Standing::Waiting => vec![Remedy::Wait],
            Standing::NotKnown => vec![Remedy::Rebroadcast],
            Standing::Abandoned => return vec![Remedy::UndoAbandon, Remedy::Rebroadcast],
            Standing::Vanished => return vec![Remedy::Rebroadcast],
            Standing::Confirmed { .. } | Standing::Replaced { .. } => return Vec::new(),
        };
        if let Ok(draft) = self.prepare_bump(of.txid, NEXT_BLOCK, true) {
            let review = draft.review();
            let extra = review.fee.checked_sub(review.replaced_fee.unwrap_or(Amount::ZERO)).unwrap_or(Amount::ZERO);
            remedies.push(Remedy::Bump { fee: review.fee, extra, rate: review.fee_rate });
        }
        if of.standing == Standing::Waiting
            && let Ok(draft) = self.prepare_acceleration(of.txid, NEXT_BLOCK, true)
        {
            remedies.push(Remedy::Accelerate { fee: draft.review().fee, rate: draft.review().fee_rate });
        }
        if let Ok(draft) = self.prepare_cancel(of.txid, NEXT_BLOCK, true) {
            remedies.push(Remedy::Cancel { fee: draft.review().fee });
        }
        if of.standing == Standing::NotKnown {
            remedies.push(Remedy::Abandon);
        }
        remedies
    }

    /// A remedy with its price, in a sentence.
    pub fn describe_remedy(&self, remedy: &Remedy) -> String {
        let coins = |amount: Amount| format_amount(amount, self.network());
        match remedy {
            Remedy::Wait => "Wait. This costs nothing.".to_owned(),
            Remedy::Rebroadcast => "Send the same transaction once more. This costs nothing.".to_owned(),
            Remedy::Bump { fee, extra, rate } => format!(
                "Raise its fee to {} ({rate}), for the next block. This costs {} more; the recipients get the same.",
                coins(*fee),
                coins(*extra)
            ),
            Remedy::Accelerate { fee, rate } => format!(
                "Pay for it by a child: one of its outputs is sent on to yourself with a fee of {} ({rate}), so that both \
                 are worth a place in the next block.",
                coins(*fee)
            ),
            Remedy::Cancel { fee } => format!(
                "Cancel it: its coins are paid back to yourself, and nobody else gets anything. This costs {} in all.",
                coins(*fee)
            ),
            Remedy::Abandon => "Give it up: its coins are free again at once, at no cost. A node that kept it could \
                 still confirm it; cancelling makes sure that none does."
                .to_owned(),
            Remedy::UndoAbandon => "Take back that it was given up. This costs nothing.".to_owned(),
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Confirmed { height, confirmations: 1 } => {
                write!(f, "It is confirmed: block {height} holds it, the latest one. Nothing needs to be done.")
            }
            Self::Confirmed { height, confirmations } => write!(
                f,
                "It is confirmed: block {height} holds it, {confirmations} blocks deep. Nothing needs to be done."
            ),
            Self::Waiting => f.write_str("It waits: the proxy knows it, and no block holds it yet."),
            Self::NotKnown => {
                f.write_str("The proxy does not know it, so no miner will find it there. Its coins stay bound here.")
            }
            Self::Replaced { by, confirmed: true } => write!(
                f,
                "It can never be confirmed: {by} spent the same coins, and a block holds that one. Nothing is lost; if a \
                 payment is still owed, pay it again."
            ),
            Self::Replaced { by, confirmed: false } => {
                write!(f, "It was replaced by {by}, which spends the same coins and waits in its place.")
            }
            Self::Abandoned => f.write_str("You gave it up: its coins are free again."),
            Self::Vanished => f.write_str(
                "It is gone: others paid it, and the proxy shows it no more. It was replaced or dropped; ask the sender.",
            ),
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LowFee { rate, wanted, blocks } => {
                write!(f, "It pays {rate}, and the next block takes about {wanted}: others come first.")?;
                match blocks {
                    Some(blocks) => write!(f, " At its rate it usually takes up to {blocks} blocks."),
                    None => f.write_str(" At its rate it may take very long."),
                }
            }
            Self::BelowMinimum { rate, minimum } => write!(
                f,
                "It pays {rate}, and the proxy's mempool takes nothing below {minimum} now: it is dropped wherever that \
                 holds."
            ),
            Self::WaitsForParents { parents, rate } => {
                let names: Vec<String> = parents.iter().map(ToString::to_string).collect();
                let parents = names.join(", ");
                write!(f, "It spends from transactions that wait themselves, and cannot come before them: {parents}.")?;
                rate.map_or(Ok(()), |rate| write!(f, " All of them together pay {rate}."))
            }
            Self::OnlyWaits => f.write_str("It pays enough; one of the next blocks should hold it."),
            Self::NoEstimates => {
                f.write_str("The proxy has no fee estimates, so nobody can say whether its fee is enough.")
            }
            Self::NeverArrived => f.write_str(
                "It never arrived, or was dropped since: after a long time, when the mempool was full, or with a restart.",
            ),
        }
    }
}
