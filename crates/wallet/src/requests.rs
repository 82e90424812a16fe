//! Requests for payment, each at an address of its own.
//!
//! In:    what is asked for; what the chain and the waiting transactions pay.
//! Out:   the request's address and link, and how far its payment is.
//! Never: an address that was asked for before, or shown to anybody, where the wallet has others.

use std::collections::{BTreeMap, HashMap};

use mycoin_primitives::{Amount, Failure, ScriptBuf, address_of};

use crate::error::WalletError;
use crate::keyring::{GAP_LIMIT, Keychain, Origin};
use crate::ledger::{Change, Place};
use crate::notes::{Labelled, NotesChange, Request};
use crate::text::{TEXT_LIMIT, TextError, checked};
use crate::uri::PaymentUri;
use crate::wallet::{Wallet, now};

/// What to ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRequest {
    /// How much, where it matters.
    pub amount: Option<Amount>,
    /// For whom or what, told to the payer; becomes the address' label.
    pub label: String,
    /// A message to the payer.
    pub message: String,
    /// For how many seconds it is asked; for ever without.
    pub lasts: Option<u64>,
}

/// A request, and how far its payment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestEntry {
    /// Where it is to be paid.
    pub address: String,
    /// What was asked for.
    pub request: Request,
    /// The link for the payer.
    pub uri: String,
    /// How much of it blocks hold.
    pub confirmed: Amount,
    /// How much of it no block holds yet.
    pub waiting: Amount,
    /// How far it is.
    pub state: RequestState,
}

/// How far the payment of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestState {
    /// Nothing has come yet.
    Open,
    /// Nothing came in time.
    Expired,
    /// Less than was asked for has come.
    PartlyPaid {
        /// What is missing.
        missing: Amount,
    },
    /// All of it has been seen, and some of it is in no block yet.
    Seen,
    /// Blocks hold all of it.
    Paid,
}

impl RequestState {
    /// The state in one word, for machines.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Expired => "expired",
            Self::PartlyPaid { .. } => "partly-paid",
            Self::Seen => "seen",
            Self::Paid => "paid",
        }
    }

    fn of(request: &Request, confirmed: Amount, waiting: Amount, now: u64) -> Self {
        // Without an amount anything will do.
        let asked = request.amount.unwrap_or(Amount::ONE_SAT);
        let seen = confirmed.checked_add(waiting).unwrap_or(confirmed);
        if confirmed >= asked {
            Self::Paid
        } else if seen >= asked {
            Self::Seen
        } else if let Some(missing) = asked.checked_sub(seen).filter(|_| seen > Amount::ZERO) {
            Self::PartlyPaid { missing }
        } else if request.expires.is_some_and(|expires| expires <= now) {
            Self::Expired
        } else {
            Self::Open
        }
    }
}

/// Why a request could not be made or taken back.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The label or the message may not be kept.
    #[error("the {name} was refused: {reason}")]
    Text {
        /// Which one.
        name: &'static str,
        /// Why.
        #[source]
        reason: TextError,
    },
    /// The wallet has a single address, and that is asked for already.
    #[error("this wallet has one address, and a payment to it is requested already")]
    OnlyAddress,
    /// It would have ended before it began, or last longer than clocks count.
    #[error("a request cannot last that long")]
    Expiry,
    /// Nothing is requested there.
    #[error("no payment to {address} is requested")]
    NotFound {
        /// What was named.
        address: String,
    },
    /// The wallet file could not be written, or no address derived.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl Failure for RequestError {
    fn code(&self) -> &'static str {
        match self {
            Self::Text { .. } => "request/text",
            Self::OnlyAddress => "request/only-address",
            Self::Expiry => "request/expiry",
            Self::NotFound { .. } => "request/not-found",
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Text { .. } => "Write a shorter text in one line.",
            Self::OnlyAddress => "Delete that request first, or use a wallet with many addresses.",
            Self::Expiry => "Choose a time such as 1h, 2d or never.",
            Self::NotFound { .. } => "Look at the list of requests.",
            Self::Wallet(source) => source.next_step(),
        }
    }
}

/// What came to a script.
#[derive(Clone, Copy, Default)]
struct Received {
    confirmed: Amount,
    waiting: Amount,
}

impl Wallet {
    /// Asks for a payment, at an address that nobody was ever shown.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub fn request_payment(&mut self, new: NewRequest) -> Result<RequestEntry, RequestError> {
        self.request_payment_at(new, now())
    }

    pub(crate) fn request_payment_at(&mut self, new: NewRequest, now: u64) -> Result<RequestEntry, RequestError> {
        let text = |name, text: &str| checked(text, TEXT_LIMIT).map_err(|reason| RequestError::Text { name, reason });
        let (label, message) = (text("label", &new.label)?, text("message", &new.message)?);
        let end = |lasts: u64| now.checked_add(lasts).filter(|_| lasts > 0).ok_or(RequestError::Expiry);
        let expires = new.lasts.map(end).transpose()?;
        let failed = || WalletError::Crypto { what: "deriving an address" };
        let (origin, script) = self.never_shown().ok_or_else(failed)?;
        let address = address_of(&script, self.network()).ok_or_else(failed)?;
        if self.notes.requests.contains_key(&address) {
            return Err(RequestError::OnlyAddress);
        }
        let before = self.received().get(&script).copied().unwrap_or_default();
        let request = Request {
            amount: new.amount,
            made: now,
            expires,
            received_before: before.confirmed.checked_add(before.waiting).unwrap_or(before.confirmed),
            label: label.clone(),
            message,
        };
        let labels = (!label.is_empty()).then(|| (Labelled::Address(address.clone()), Some(label)));
        let notes = NotesChange {
            requests: BTreeMap::from([(address.clone(), Some(request.clone()))]),
            labels: labels.into_iter().collect(),
            ..NotesChange::default()
        };
        let revealed =
            if self.keyring.grows() { BTreeMap::from([(origin.keychain, origin.index)]) } else { BTreeMap::new() };
        self.commit(Change { revealed, notes, ..Change::default() })?;
        Ok(self.request_entry(&address, &request, Received::default(), now))
    }

    /// All requests with how far each is, the newest first.
    pub fn requests(&self) -> Vec<RequestEntry> {
        self.requests_at(now())
    }

    pub(crate) fn requests_at(&self, now: u64) -> Vec<RequestEntry> {
        if self.notes.requests.is_empty() {
            return Vec::new();
        }
        let received = self.received();
        let entry = |(address, request): (&String, &Request)| {
            let script = mycoin_primitives::parse_address(address, self.network()).ok();
            let came = script.and_then(|script| received.get(&script).copied()).unwrap_or_default();
            self.request_entry(address, request, came, now)
        };
        let mut list: Vec<RequestEntry> = self.notes.requests.iter().map(entry).collect();
        list.sort_by_key(|entry| std::cmp::Reverse(entry.request.made));
        list
    }

    /// Asks no longer. The address stays ours: what is paid to it arrives all the same.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`].
    pub fn delete_request(&mut self, address: &str) -> Result<(), RequestError> {
        let named =
            PaymentUri::to_address(address, self.network()).map_or_else(|_| address.to_owned(), |uri| uri.address);
        if !self.notes.requests.contains_key(&named) {
            return Err(RequestError::NotFound { address: crate::text::cleaned(&named) });
        }
        let notes = NotesChange { requests: BTreeMap::from([(named, None)]), ..NotesChange::default() };
        Ok(self.commit(Change { notes, ..Change::default() })?)
    }

    /// Whether so many addresses in a row were handed out and not paid to, that a restore from the keys alone would stop
    /// searching before the last of them.
    pub fn is_beyond_gap(&self) -> bool {
        let unpaid = self.keyring.handed_out().into_iter().rev().take_while(|(_, _, used)| !used).count();
        unpaid > GAP_LIMIT as usize
    }

    /// The first address that was never paid to and that no request asks for; the only one of a wallet that has one.
    pub(crate) fn next_free(&self) -> Option<(Origin, ScriptBuf)> {
        let is_free = |script: &ScriptBuf| {
            address_of(script, self.network()).is_none_or(|address| !self.notes.requests.contains_key(&address))
        };
        let mut handed_out = self.keyring.handed_out().into_iter();
        let free = handed_out.find(|(_, script, used)| !self.keyring.grows() || (!used && is_free(script)));
        let place = |(index, script, _)| (Origin { keychain: Keychain::External, index }, script);
        free.map(place).or_else(|| self.never_shown())
    }

    /// The address after the last one that was handed out; the only one of a wallet that has one.
    fn never_shown(&self) -> Option<(Origin, ScriptBuf)> {
        let last = self.keyring.revealed().get(&Keychain::External).copied();
        let index = last.filter(|_| self.keyring.grows()).map_or(0, |last| last + 1);
        let origin = Origin { keychain: Keychain::External, index };
        Some((origin, self.keyring.script_at(origin)?))
    }

    fn request_entry(&self, address: &str, request: &Request, came: Received, now: u64) -> RequestEntry {
        // What came before the request was made pays for something else.
        let confirmed = came.confirmed.checked_sub(request.received_before);
        let rest = request.received_before.checked_sub(came.confirmed).unwrap_or(Amount::ZERO);
        let waiting = came.waiting.checked_sub(rest).unwrap_or(Amount::ZERO);
        let confirmed = confirmed.unwrap_or(Amount::ZERO);
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let uri = PaymentUri {
            address: address.to_owned(),
            script: ScriptBuf::new(),
            amount: request.amount,
            label: text(&request.label),
            message: text(&request.message),
        };
        RequestEntry {
            uri: uri.to_text(self.network()),
            address: address.to_owned(),
            state: RequestState::of(request, confirmed, waiting, now),
            request: request.clone(),
            confirmed,
            waiting,
        }
    }

    /// What ever came to each of our scripts.
    fn received(&self) -> HashMap<ScriptBuf, Received> {
        let mut received = HashMap::<ScriptBuf, Received>::new();
        for entry in self.ledger.transactions().iter() {
            for output in entry.tx.output.iter().filter(|output| self.keyring.origin(&output.script_pubkey).is_some()) {
                let one = received.entry(output.script_pubkey.clone()).or_default();
                let sum = match entry.place {
                    Place::Block { .. } => &mut one.confirmed,
                    Place::Waiting { .. } => &mut one.waiting,
                };
                *sum = sum.checked_add(output.value).unwrap_or(*sum);
            }
        }
        received
    }
}
