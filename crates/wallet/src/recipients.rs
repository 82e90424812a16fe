//! Whom a payment pays how much, from what a person types.
//!
//! In:    an address, a payment URI or a contact's name; an amount in coins or in base units, or `max`.
//! Out:   a [`Recipient`] with its script.
//! Never: a script for another coin, an amount that nobody named.

use mycoin_primitives::{
    AddressError, Amount, AmountError, Failure, MAX_MONEY, Network, ScriptBuf, address_of, format_amount,
    parse_address, parse_amount,
};

use crate::uri::{PaymentUri, UriError};
use crate::wallet::Wallet;

/// No address has fewer characters than that: a witness program of two bytes under a prefix of one letter.
const SHORTEST_ADDRESS: usize = 13;

/// Whom a payment pays how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// What the payment's output holds.
    pub script: ScriptBuf,
    /// The address.
    pub address: String,
    /// The contact's name, where the address is one's.
    pub contact: Option<String>,
    /// A note on the payment, for ourselves; may be empty.
    pub label: String,
    /// How much.
    pub amount: PayAmount,
}

/// How much a recipient gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayAmount {
    /// So much.
    Exactly(Amount),
    /// All that can be spent, after the others and the fee.
    Max,
}

impl PayAmount {
    /// Reads an amount that a person typed: coins (`1.5`), base units (`1500sat`) or `max`.
    ///
    /// # Errors
    ///
    /// [`AmountError`].
    pub fn parse(text: &str, network: &Network) -> Result<Self, AmountError> {
        let text = text.trim();
        let lower = text.to_lowercase();
        if lower == "max" {
            return Ok(Self::Max);
        }
        let Some(units) = lower.strip_suffix("sats").or_else(|| lower.strip_suffix("sat")) else {
            return parse_amount(text, network).map(Self::Exactly);
        };
        let units = units.trim();
        if units.is_empty() || !units.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AmountError::NotANumber { text: text.to_owned() });
        }
        let too_large = || AmountError::TooLarge { limit: format_amount(MAX_MONEY, network) };
        match units.parse().map(Amount::from_sat).map_err(|_| too_large())? {
            Amount::ZERO => Err(AmountError::Zero),
            amount if amount > MAX_MONEY => Err(too_large()),
            amount => Ok(Self::Exactly(amount)),
        }
    }
}

/// Why a recipient could not be made out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// The address is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Neither an address nor a contact.
    #[error("there is no contact named “{text}”, and it is no address either")]
    Unknown {
        /// What was typed.
        text: String,
    },
    /// The URI cannot be used.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The amount cannot be read.
    #[error("{0}")]
    Amount(#[from] AmountError),
    /// Nobody says how much.
    #[error("how much to send to {to} is missing")]
    AmountMissing {
        /// The recipient, as it was typed.
        to: String,
    },
}

impl Failure for RecipientError {
    fn code(&self) -> &'static str {
        match self {
            Self::Address(source) => source.code(),
            Self::Unknown { .. } => "payment/recipient-unknown",
            Self::Uri(source) => source.code(),
            Self::Amount(source) => source.code(),
            Self::AmountMissing { .. } => "payment/amount-missing",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Address(source) => source.next_step(),
            Self::Unknown { .. } => "Check the name in the list of contacts, or give the address.",
            Self::Uri(source) => source.next_step(),
            Self::Amount(source) => source.next_step(),
            Self::AmountMissing { .. } => "Say how much, in coins or as max.",
        }
    }
}

impl Recipient {
    /// So much to an address.
    pub fn new(script: ScriptBuf, address: impl Into<String>, amount: PayAmount) -> Self {
        Self { script, address: address.into(), contact: None, label: String::new(), amount }
    }
}

impl Wallet {
    /// The recipient that a person typed: a contact's name, a payment URI or an address. `amount` may be left out where the
    /// URI says how much; where both do, what was typed counts.
    ///
    /// # Errors
    ///
    /// [`RecipientError`].
    pub fn recipient(&self, to: &str, amount: Option<&str>) -> Result<Recipient, RecipientError> {
        let network = self.network();
        let to = to.trim();
        let given = amount.map(|amount| PayAmount::parse(amount, network)).transpose()?;
        let needed =
            |given: Option<PayAmount>| given.ok_or_else(|| RecipientError::AmountMissing { to: to.to_owned() });
        let is_uri = to.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(&network.uri_scheme));
        if is_uri {
            let uri = PaymentUri::parse(to, network)?;
            let amount = needed(given.or(uri.amount.map(PayAmount::Exactly)))?;
            let note = [uri.label, uri.message].into_iter().flatten().find(|text| !text.is_empty());
            let recipient = self.with_contact(Recipient::new(uri.script, uri.address, amount));
            return Ok(Recipient { label: note.unwrap_or_default(), ..recipient });
        }
        if let Some(contact) = self.contact(to) {
            let script = parse_address(&contact.address, network)?;
            return Ok(self.with_contact(Recipient::new(script, contact.address.clone(), needed(given)?)));
        }
        let seems_a_name = !to.is_empty() && to.len() < SHORTEST_ADDRESS || to.contains(char::is_whitespace);
        let script = match parse_address(to, network) {
            Err(_) if seems_a_name => return Err(RecipientError::Unknown { text: to.to_owned() }),
            other => other?,
        };
        // One spelling for each address, whatever case it was written in.
        let address = address_of(&script, network).unwrap_or_else(|| to.to_owned());
        Ok(self.with_contact(Recipient::new(script, address, needed(given)?)))
    }

    /// The same, with the contact's name where the address is one's.
    pub(crate) fn with_contact(&self, recipient: Recipient) -> Recipient {
        let contact = self.contact_at(&recipient.address).map(str::to_owned);
        Recipient { contact, ..recipient }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_coins_base_units_or_all() {
        let net = Network::demo();
        let exactly = |units| Ok(PayAmount::Exactly(Amount::from_sat(units)));
        assert_eq!(PayAmount::parse(" max ", &net), Ok(PayAmount::Max));
        assert_eq!(PayAmount::parse("1.5", &net), exactly(150_000_000));
        assert_eq!(PayAmount::parse("1500sat", &net), exactly(1_500));
        assert_eq!(PayAmount::parse("1500 sats", &net), exactly(1_500));
        assert_eq!(PayAmount::parse("0sat", &net), Err(AmountError::Zero));
        for bad in ["sat", "1.5sat", "-3sat", "maximum"] {
            assert!(matches!(PayAmount::parse(bad, &net), Err(AmountError::NotANumber { .. })), "{bad}");
        }
        for bad in ["2100000000000001sat", "99999999999999999999999sat"] {
            assert!(matches!(PayAmount::parse(bad, &net), Err(AmountError::TooLarge { .. })), "{bad}");
        }
    }
}
