//! What is known of one address, and what it is worth.

use std::net::IpAddr;

use mycoin_primitives::bitcoin::p2p::ServiceFlags;

use super::{DIAL, Slot};
use crate::limits::{ADDRESS_ATTEMPTS_MAX, ADDRESS_FAILURES_FORGIVEN, ADDRESS_HORIZON, ADDRESS_TRIES_UNPROVEN};

/// Which table an address lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    New,
    Tried,
}

/// What is known of an address. Times are Unix seconds, 0 for never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownAddress {
    pub(crate) services: ServiceFlags,
    /// When somebody saw it.
    pub(crate) last_seen: u32,
    /// When we last completed a handshake with it.
    pub(crate) last_success: u32,
    /// When it was last dialled.
    pub(super) last_try: u32,
    /// When a dial was last counted as an attempt.
    pub(super) last_counted: u32,
    /// Dials since the last success.
    pub(super) attempts: u32,
    /// Who told it first.
    pub(super) source: IpAddr,
    pub(super) table: Table,
    /// Where it lies: one place in the tried table, up to eight in the new one.
    pub(super) slots: Vec<Slot>,
}

impl KnownAddress {
    pub(super) fn is_tried(&self) -> bool {
        self.table == Table::Tried
    }

    /// Whether it is worth no place. Source: Bitcoin Core `AddrInfo::IsTerrible`.
    pub(super) fn is_terrible(&self, now: u32) -> bool {
        if now.saturating_sub(self.last_try) <= DIAL {
            return false;
        }
        let is_of_the_future = self.last_seen > now.saturating_add(10 * 60);
        let is_old = now.saturating_sub(self.last_seen) > ADDRESS_HORIZON;
        let never_worked = self.last_success == 0 && self.attempts >= ADDRESS_TRIES_UNPROVEN;
        let works_no_more =
            now.saturating_sub(self.last_success) > ADDRESS_FAILURES_FORGIVEN && self.attempts >= ADDRESS_ATTEMPTS_MAX;
        is_of_the_future || is_old || never_worked || works_no_more
    }

    /// How likely it is taken when it is looked at. Source: Bitcoin Core `AddrInfo::GetChance`.
    pub(super) fn chance(&self) -> f64 {
        (0..self.attempts.min(8)).fold(1.0, |chance, _| chance * 0.66)
    }
}
