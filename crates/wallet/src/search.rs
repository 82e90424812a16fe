//! Finding entries of the history again.
//!
//! In:    a text, a time, a kind, a state.
//! Out:   the entries that fit all of them, newest first, with how people remember them.
//! Never: a change of anything.

use mycoin_primitives::{Amount, OutPoint, format_coins};

use crate::history::{EntryKind, EntryState, HistoryEntry};
use crate::notes::Labelled;
use crate::wallet::Wallet;

/// What to look for. Everything that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Part of a label or a contact's name, in any case; four characters or more of an address or a transaction's id; or an
    /// amount.
    pub text: Option<String>,
    /// Not before; seconds since 1970.
    pub since: Option<u64>,
    /// Before; seconds since 1970.
    pub until: Option<u64>,
    /// Of this kind.
    pub kind: Option<EntryKind>,
    /// In this state; how many blocks a reward misses does not matter.
    pub state: Option<EntryState>,
    /// No more than so many, the newest.
    pub limit: Option<usize>,
}

impl EntryKind {
    /// The kind in a word or two.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
            Self::ToSelf => "to self",
            Self::Reward => "reward",
        }
    }
}

impl HistoryFilter {
    fn fits(&self, entry: &HistoryEntry) -> bool {
        self.since.is_none_or(|since| entry.time >= since)
            && self.until.is_none_or(|until| entry.time < until)
            && self.kind.is_none_or(|kind| entry.kind == kind)
            && self.state.is_none_or(|state| std::mem::discriminant(&state) == std::mem::discriminant(&entry.state))
    }
}

impl Wallet {
    /// The entries of the history that fit, newest first.
    pub fn find(&self, filter: &HistoryFilter) -> Vec<HistoryEntry> {
        let wanted = filter.text.as_deref().map(|text| text.trim().to_lowercase());
        let fits = |entry: &HistoryEntry| {
            filter.fits(entry) && wanted.as_deref().is_none_or(|wanted| self.has_text(entry, wanted))
        };
        self.history().into_iter().filter(fits).take(filter.limit.unwrap_or(usize::MAX)).collect()
    }

    /// How a person remembers an entry: its own label, else that of an address in it, else that of a coin in it.
    pub fn entry_label(&self, entry: &HistoryEntry) -> Option<&str> {
        let own = self.label(&Labelled::Transaction(entry.txid));
        let of_address = || addresses(entry).find_map(|address| self.label(&Labelled::Address(address.clone())));
        own.or_else(of_address).or_else(|| self.coin_labels(entry).next())
    }

    /// The other sides of an entry: a contact's name where the address is one's, else the address.
    pub fn entry_parties<'a>(&'a self, entry: &'a HistoryEntry) -> impl Iterator<Item = &'a str> {
        entry.counterparties.iter().map(|address| self.contact_at(address).unwrap_or(address))
    }

    fn coin_labels(&self, entry: &HistoryEntry) -> impl Iterator<Item = &str> {
        let coins = |vout| Labelled::Coin(OutPoint { txid: entry.txid, vout });
        self.notes.labels.range(coins(0)..=coins(u32::MAX)).map(|(_, label)| label.as_str())
    }

    /// `wanted`: in small letters.
    fn has_text(&self, entry: &HistoryEntry, wanted: &str) -> bool {
        let holds = |text: &str| text.to_lowercase().contains(wanted);
        // Fewer would fit nearly all.
        let holds_code = |text: &str| wanted.len() >= 4 && holds(text);
        let of_address = |address: &String| {
            let label = self.label(&Labelled::Address(address.clone()));
            let request = self.notes.requests.get(address);
            holds_code(address)
                || label.is_some_and(holds)
                || self.contact_at(address).is_some_and(holds)
                || request.is_some_and(|request| holds(&request.label) || holds(&request.message))
        };
        holds_code(&entry.txid.to_string())
            || self.label(&Labelled::Transaction(entry.txid)).is_some_and(holds)
            || self.coin_labels(entry).any(holds)
            || addresses(entry).any(of_address)
            || self.has_amount(entry, wanted)
    }

    /// Whether the entry moved exactly that many coins, with its fee or without it.
    fn has_amount(&self, entry: &HistoryEntry, wanted: &str) -> bool {
        let moved = Amount::from_sat(entry.amount.unsigned_abs());
        let without_fee = entry.fee.filter(|_| entry.amount < 0).and_then(|fee| moved.checked_sub(fee));
        let same = |amount: Amount| plain(&format_coins(amount, self.network())) == plain(wanted);
        same(moved) || without_fee.is_some_and(same)
    }
}

fn addresses(entry: &HistoryEntry) -> impl Iterator<Item = &String> {
    entry.own_addresses.iter().chain(&entry.counterparties)
}

/// A number without what says nothing: signs, and zeros at the end.
fn plain(number: &str) -> &str {
    let number = number.trim_start_matches(['+', '-']);
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}
