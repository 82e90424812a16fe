//! What several proxies showed, put side by side.
//!
//! In:    of each proxy its tip and what it showed, or why it was of no use.
//! Out:   the findings that count: all that is proven, what waits at every proxy; and where they differ, in words.
//! Never: a majority. One proof outweighs any number of proxies that keep it back.

use std::collections::{BTreeMap, HashSet};

use mycoin_light::{HeaderChain, ProxyClient, Tip};
use mycoin_primitives::{FeeRate, Height, Txid};

use super::gather::Found;
use super::{Findings, SyncWarning};
use crate::error::SyncError;
use crate::keyring::Keyring;
use crate::sync::known::Known;
use crate::wallet::Wallet;

/// No estimate above this is believed.
const HIGHEST_FEE: FeeRate = FeeRate::from_sat_per_vb(1_000);
/// Estimates differ when one is this many times the other…
const FEES_APART: u64 = 2;
/// … and by more than this: below it, nobody minds.
const FEES_ALIKE: FeeRate = FeeRate::from_sat_per_vb(5);

/// A proxy that was asked.
pub(super) struct Asked<'a> {
    pub(super) proxy: &'a ProxyClient,
    /// Its tip, or why it is of no use.
    pub(super) tip: Result<Tip, SyncError>,
    pub(super) found: Option<Found>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(proxy: &'a ProxyClient, tip: Result<Tip, SyncError>) -> Self {
        Self { proxy, tip, found: None }
    }

    /// Keeps what it showed, if that is not refused.
    pub(super) fn check(&mut self, verdict: Result<(), SyncError>, found: Found) {
        match verdict {
            Ok(()) => self.found = Some(found),
            Err(error) => self.tip = Err(error),
        }
    }

    fn name(&self) -> String {
        self.proxy.url().to_owned()
    }
}

impl Known {
    /// Adds what a proxy proved just now, so that the next one is asked only for the rest.
    pub(super) fn add_all(&mut self, records: &[mycoin_light::TxRecord], keyring: &Keyring) {
        let is_ours = |script: &mycoin_primitives::Script| keyring.origin(script).is_some();
        // First all outputs, then what spends them.
        for height in [|_: Option<Height>| None, |height| height] {
            for record in records {
                self.add(record.txid, &record.tx, height(record.status.height()), &is_ours);
            }
        }
    }
}

impl Wallet {
    /// What counts of all that was shown, and what is to be said about it.
    pub(super) fn conclude(
        &self,
        headers: &HeaderChain,
        mut asked: Vec<Asked<'_>>,
        undone: Vec<Height>,
    ) -> Result<(Findings, Vec<SyncWarning>), SyncError> {
        let best = headers.tip();
        let mut warnings: Vec<SyncWarning> = asked.iter().filter_map(|one| state(one, headers)).collect();
        let highest = asked
            .iter()
            .filter(|one| one.found.is_some())
            .filter_map(|one| one.tip.as_ref().ok())
            .map(|tip| tip.height)
            .max();
        match highest {
            None => return Err(first_error(&mut asked)),
            Some(height) if height < best.height => {
                return Err(SyncError::ProxyBehind { proxy: height, wallet: best.height });
            }
            Some(_) => {}
        }
        warnings.extend(hidden(&asked));
        let held_back = self.held_back(&asked, best, &mut warnings);
        let fee_estimates = fees(&asked, &mut warnings);
        if let Some(fault) = headers.fault() {
            warnings.push(SyncWarning::HeadersNotKept { reason: fault.to_string() });
        }
        let mut findings = Findings {
            undone,
            tip: best,
            records: Vec::new(),
            waiting: HashSet::new(),
            used: BTreeMap::new(),
            fee_estimates,
        };
        for found in asked.into_iter().filter_map(|one| one.found) {
            findings.records.extend(found.records.into_iter().filter(|record| !held_back.contains(&record.txid)));
            findings.waiting.extend(found.waiting);
            for (keychain, index) in found.used {
                let highest = findings.used.entry(keychain).or_insert(index);
                *highest = index.max(*highest);
            }
        }
        Ok((findings, warnings))
    }

    /// New waiting transactions that some proxy at the tip does not show: nothing proves them, so they do not count yet.
    fn held_back(&self, asked: &[Asked<'_>], best: Tip, warnings: &mut Vec<SyncWarning>) -> HashSet<Txid> {
        let current: Vec<(&Asked<'_>, &Found)> = asked
            .iter()
            .filter(|one| one.tip.as_ref().is_ok_and(|tip| tip.height == best.height))
            .filter_map(|one| Some((one, one.found.as_ref()?)))
            .collect();
        let proven: HashSet<Txid> = asked
            .iter()
            .filter_map(|one| one.found.as_ref())
            .flat_map(|found| &found.records)
            .filter(|record| record.status.is_confirmed())
            .map(|record| record.txid)
            .collect();
        let mut held_back = HashSet::new();
        for (one, found) in asked.iter().filter_map(|one| Some((one, one.found.as_ref()?))) {
            for record in found.records.iter().filter(|record| !record.status.is_confirmed()) {
                let txid = record.txid;
                let is_shown = |other: &Found| other.waiting.contains(&txid);
                if !proven.contains(&txid)
                    && !self.ledger.knows(txid)
                    && !current.iter().all(|(_, other)| is_shown(other))
                    && held_back.insert(txid)
                {
                    warnings.push(SyncWarning::OnlyOneShows { proxy: one.name(), txid });
                }
            }
        }
        held_back
    }
}

/// What is to be said of a proxy before what it showed is looked at.
fn state(one: &Asked<'_>, headers: &HeaderChain) -> Option<SyncWarning> {
    let proxy = one.name();
    let best = headers.tip_height();
    match &one.tip {
        Ok(tip) if !headers.contains(tip) => Some(SyncWarning::OtherChain { proxy }),
        Ok(tip) if tip.height < best => Some(SyncWarning::Lags { proxy, height: tip.height, known: best }),
        Ok(_) => None,
        Err(SyncError::LessWork { .. }) => Some(SyncWarning::OtherChain { proxy }),
        Err(error @ (SyncError::BadHeaders { .. } | SyncError::BadProof { .. } | SyncError::Contradiction { .. })) => {
            Some(SyncWarning::Wrong { proxy, reason: error.to_string() })
        }
        Err(error) => Some(SyncWarning::Away { proxy, reason: error.to_string() }),
    }
}

fn first_error(asked: &mut Vec<Asked<'_>>) -> SyncError {
    let mut errors = asked.drain(..).filter_map(|one| one.tip.err());
    errors.next().unwrap_or(SyncError::NoProxy)
}

/// Proven transactions that a proxy does not name although its chain holds them.
fn hidden(asked: &[Asked<'_>]) -> Vec<SyncWarning> {
    let mut warnings = Vec::new();
    for (place, one) in asked.iter().enumerate() {
        let (Ok(tip), Some(found)) = (&one.tip, &one.found) else { continue };
        // What was known before it was asked it says itself; what others proved after it, they do.
        let later = asked.iter().skip(place + 1).filter_map(|other| other.found.as_ref());
        let proven_later = later
            .flat_map(|other| &other.records)
            .filter(|record| record.status.height().is_some_and(|height| height <= tip.height))
            .map(|record| record.txid);
        let all: std::collections::BTreeSet<Txid> = found.hidden.iter().copied().chain(proven_later).collect();
        warnings.extend(all.into_iter().map(|txid| SyncWarning::Hides { proxy: one.name(), txid }));
    }
    warnings
}

/// The lowest sensible estimate for each target.
fn fees(asked: &[Asked<'_>], warnings: &mut Vec<SyncWarning>) -> BTreeMap<u16, FeeRate> {
    let mut ranges = BTreeMap::<u16, (FeeRate, FeeRate)>::new();
    for (one, found) in asked.iter().filter_map(|one| Some((one, one.found.as_ref()?))) {
        let is_absurd = |fees: &BTreeMap<u16, FeeRate>| fees.values().any(|rate| *rate > HIGHEST_FEE);
        if found.fees.as_ref().is_none_or(is_absurd) {
            warnings.push(SyncWarning::AbsurdFees { proxy: one.name() });
            continue;
        }
        for (blocks, rate) in found.fees.iter().flatten() {
            let (low, high) = ranges.entry(*blocks).or_insert((*rate, *rate));
            (*low, *high) = ((*low).min(*rate), (*high).max(*rate));
        }
    }
    let apart = |(low, high): &(FeeRate, FeeRate)| {
        let (low, high) = (low.to_sat_per_kvb(), high.to_sat_per_kvb());
        high > low.saturating_mul(FEES_APART) && high - low > FEES_ALIKE.to_sat_per_kvb()
    };
    let widest = ranges
        .iter()
        .filter(|(_, range)| apart(range))
        .max_by_key(|(_, (low, high))| high.to_sat_per_kvb().saturating_sub(low.to_sat_per_kvb()));
    if let Some((blocks, (low, high))) = widest {
        warnings.push(SyncWarning::FeesDiffer { blocks: *blocks, low: *low, high: *high });
    }
    ranges.into_iter().map(|(blocks, (low, _))| (blocks, low)).collect()
}
