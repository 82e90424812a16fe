//! Links that ask for a payment.
//!
//! In:    a link's text from anywhere; or an address and what to ask for.
//! Out:   a [`PaymentUri`]: where to pay, and what the link says of amount, label and message.
//! Never: a guess. What must be understood and is not, what stands twice, and what hides something refuses the whole link.
//!
//! Source: BIP21; that keys may be in any case: BIP321. The scheme is the coin's own.

use mycoin_primitives::{
    AddressError, Amount, AmountError, Failure, Network, ScriptBuf, address_of, format_coins, parse_address,
    parse_amount,
};

use crate::text::{TEXT_LIMIT, TextError, checked};

/// The most bytes of a link.
const URI_LIMIT: usize = 4096;

/// A link that asks for a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentUri {
    /// Where to pay, as this coin writes it.
    pub address: String,
    /// The script that the address stands for.
    pub script: ScriptBuf,
    /// How much is asked for.
    pub amount: Option<Amount>,
    /// Who asks, in their own words.
    pub label: Option<String>,
    /// What for, in their own words.
    pub message: Option<String>,
}

/// Why a link was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It is not a link at all.
    #[error("this is no payment link: one begins with {scheme}:")]
    NoScheme {
        /// What links of this coin begin with.
        scheme: String,
    },
    /// It asks for another coin, or is of another kind.
    #[error("this is a link of {given}, and payment links of {coin} begin with {scheme}:")]
    OtherScheme {
        /// What it begins with, and the coin where it is known.
        given: String,
        /// The coin that is used here.
        coin: String,
        /// What links of this coin begin with.
        scheme: String,
    },
    /// Longer than any honest link.
    #[error("the payment link has {length} bytes, and at most {limit} are read")]
    TooLong {
        /// How many it has.
        length: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Where to pay is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// How much is wrong.
    #[error("the payment link's amount is wrong: {0}")]
    Amount(#[source] AmountError),
    /// It says the same thing twice.
    #[error("the payment link says “{name}” twice, so nobody knows which one is meant")]
    Duplicate {
        /// What.
        name: &'static str,
    },
    /// It may be paid only by programs that understand something that this one does not.
    #[error("the payment link needs “{name}”, which this program does not know, so it must not be paid from here")]
    Required {
        /// What is needed.
        name: String,
    },
    /// A percent sign without the two digits of a byte, bytes that are no text, or a character that must be escaped.
    #[error("the payment link is damaged at character {position}")]
    Damaged {
        /// Its place, counted from 1.
        position: usize,
    },
    /// A text in it cannot be shown.
    #[error("the {name} in the payment link was refused: {reason}")]
    Text {
        /// Which one.
        name: &'static str,
        /// Why.
        #[source]
        reason: TextError,
    },
}

impl Failure for UriError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoScheme { .. } => "uri/no-scheme",
            Self::OtherScheme { .. } => "uri/other-coin",
            Self::TooLong { .. } => "uri/too-long",
            Self::Address(source) => source.code(),
            Self::Amount(_) => "uri/amount",
            Self::Duplicate { .. } => "uri/duplicate",
            Self::Required { .. } => "uri/required",
            Self::Damaged { .. } => "uri/damaged",
            Self::Text { .. } => "uri/text",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::NoScheme { .. } => "Paste the whole link, or the address alone.",
            Self::OtherScheme { .. } => "Ask the recipient for a link or an address of this coin.",
            Self::Required { .. } => "Ask the recipient for their address alone.",
            Self::Address(source) => source.next_step(),
            Self::TooLong { .. }
            | Self::Amount(_)
            | Self::Duplicate { .. }
            | Self::Damaged { .. }
            | Self::Text { .. } => "Copy the link again, or ask the recipient for another one.",
        }
    }
}

/// A link's scheme; `None` when the text is no link. Source: RFC 3986, 3.1.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c));
    is_scheme.then_some((scheme, rest))
}

/// The coin whose links begin so, where it is known.
fn coin_of_scheme(scheme: &str) -> Option<String> {
    let shipped = [Network::demo(), Network::mycoin(), Network::regtest()].into_iter();
    match scheme {
        "bitcoin" => Some("Bitcoin".to_owned()),
        "litecoin" => Some("Litecoin".to_owned()),
        "dogecoin" => Some("Dogecoin".to_owned()),
        "lightning" => Some("the Lightning network".to_owned()),
        "ethereum" => Some("Ethereum".to_owned()),
        "monero" => Some("Monero".to_owned()),
        _ => shipped.into_iter().find(|network| network.uri_scheme == scheme).map(|network| network.coin),
    }
}

/// Only bytes that a link may hold unescaped; what they stand for. `start`: how many characters stand before.
fn unescape(text: &str, start: usize) -> Result<String, UriError> {
    let damaged = |at: usize| UriError::Damaged { position: start + at + 1 };
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let (Some(high), Some(low)) = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) else {
                    return Err(damaged(at));
                };
                // Two hexadecimal digits are less than 256.
                out.push(u8::try_from(high * 16 + low).map_err(|_| damaged(at))?);
                at += 3;
            }
            b' ' | b'#' | b'<' | b'>' | b'"' => return Err(damaged(at)),
            byte => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).map_err(|error| damaged(error.utf8_error().valid_up_to().min(text.len())))
}

/// Everything but RFC 3986's unreserved characters as percent signs and digits.
fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if is_plain { out + char::from(byte).encode_utf8(&mut [0; 4]) } else { out + &format!("%{byte:02X}") }
    })
}

/// Puts a value where none was yet.
fn once<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), UriError> {
    match place.replace(value) {
        Some(_) => Err(UriError::Duplicate { name }),
        None => Ok(()),
    }
}

impl PaymentUri {
    /// Whether the text is a link of some kind rather than an address or a name. It may still be refused.
    pub fn is_link(text: &str) -> bool {
        scheme_of(text.trim()).is_some()
    }

    /// Asks for a payment to `address`.
    ///
    /// # Errors
    ///
    /// [`AddressError`] when it is no address of this coin.
    pub fn to_address(address: &str, network: &Network) -> Result<Self, AddressError> {
        let script = parse_address(address, network)?;
        let address = address_of(&script, network).unwrap_or_else(|| address.trim().to_owned());
        Ok(Self { address, script, amount: None, label: None, message: None })
    }

    /// Reads a link. Parameters that are not known and not marked as required are passed over, as the rule is.
    ///
    /// # Errors
    ///
    /// [`UriError`] names what is wrong.
    pub fn parse(text: &str, network: &Network) -> Result<Self, UriError> {
        let text = text.trim();
        if text.len() > URI_LIMIT {
            return Err(UriError::TooLong { length: text.len(), limit: URI_LIMIT });
        }
        let Some((given, rest)) = scheme_of(text) else {
            return Err(UriError::NoScheme { scheme: network.uri_scheme.clone() });
        };
        if !given.eq_ignore_ascii_case(&network.uri_scheme) {
            let given = coin_of_scheme(&given.to_ascii_lowercase()).unwrap_or_else(|| format!("“{given}:”"));
            let (coin, scheme) = (network.coin.clone(), network.uri_scheme.clone());
            return Err(UriError::OtherScheme { given, coin, scheme });
        }
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::to_address(address, network)?;
        let mut start = text.chars().count() - query.chars().count();
        for parameter in query.split('&') {
            uri.read_parameter(parameter, start, network)?;
            start += parameter.chars().count() + 1;
        }
        for text in [&mut uri.label, &mut uri.message] {
            text.take_if(|text| text.is_empty());
        }
        Ok(uri)
    }

    fn read_parameter(&mut self, parameter: &str, start: usize, network: &Network) -> Result<(), UriError> {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = unescape(key, start)?.to_ascii_lowercase();
        let value = unescape(value, start + key.chars().count() + 1)?;
        let text = |name| checked(&value, TEXT_LIMIT).map_err(|reason| UriError::Text { name, reason });
        match name.as_str() {
            "amount" => once(&mut self.amount, "amount", parse_amount(&value, network).map_err(UriError::Amount)?),
            "label" => once(&mut self.label, "label", text("label")?),
            "message" => once(&mut self.message, "message", text("message")?),
            _ if name.starts_with("req-") => {
                let shown =
                    checked(&name, TEXT_LIMIT).map_err(|reason| UriError::Text { name: "parameter", reason })?;
                Err(UriError::Required { name: shown })
            }
            _ => Ok(()),
        }
    }

    /// The link's text.
    pub fn to_text(&self, network: &Network) -> String {
        let amount = self.amount.map(|amount| plain(&format_coins(amount, network)));
        let words = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(escape);
        let parts = [("amount", amount), ("label", words(&self.label)), ("message", words(&self.message))];
        let query: Vec<_> = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}:{}{mark}{}", network.uri_scheme, self.address, query.join("&"))
    }
}

/// A decimal number without the zeros that say nothing.
fn plain(coins: &str) -> String {
    if coins.contains('.') { coins.trim_end_matches('0').trim_end_matches('.').to_owned() } else { coins.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::cleaned;
    use proptest::prelude::*;

    /// The address of a script that pays to a key hash.
    fn address(network: &Network) -> String {
        let script = ScriptBuf::from_bytes([&[0, 20][..], &[9; 20]].concat());
        address_of(&script, network).expect("a key hash has an address")
    }

    fn parse(link: &str) -> Result<PaymentUri, UriError> {
        let network = Network::mycoin();
        PaymentUri::parse(&link.replace("ADDRESS", &address(&network)), &network)
    }

    #[test]
    fn links_as_bip21_writes_them_are_read() {
        let plain = parse("mycoin:ADDRESS").expect("an address alone");
        assert_eq!((plain.amount, &plain.label, &plain.message), (None, &None, &None));
        let full =
            parse("mycoin:ADDRESS?amount=50.5&label=Luke-Jr&message=Donation%20for%20project%20xyz").expect("whole");
        assert_eq!(full.amount, Some(Amount::from_sat(5_050_000_000)));
        assert_eq!(
            (full.label.as_deref(), full.message.as_deref()),
            (Some("Luke-Jr"), Some("Donation for project xyz"))
        );
        let unknown =
            parse("mycoin:ADDRESS?somethingyoudontunderstand=50&somethingelse=999").expect("may be passed over");
        assert_eq!(unknown, plain);
        // Plus is a plus; keys and the scheme count in any case; capital letters make smaller QR codes.
        assert_eq!(parse("MyCoin:ADDRESS?LABEL=a+b").expect("any case").label.as_deref(), Some("a+b"));
        let network = Network::mycoin();
        let loud = format!("MYCOIN:{}", address(&network).to_ascii_uppercase());
        assert_eq!(PaymentUri::parse(&loud, &network).expect("capital letters"), plain);
    }

    #[test]
    fn links_that_say_what_is_not_understood_are_refused_by_name() {
        let refused = |link: &str| parse(link).expect_err(link);
        assert_eq!(refused("mycoin:ADDRESS?req-exactly=1"), UriError::Required { name: "req-exactly".to_owned() });
        assert!(matches!(refused("mycoin:ADDRESS?REQ-pop=x"), UriError::Required { .. }));
        for name in ["amount=1", "label=a", "message=b"] {
            assert!(matches!(refused(&format!("mycoin:ADDRESS?{name}&{name}")), UriError::Duplicate { .. }));
        }
        for amount in ["1e3", "-1", "0", "", "1,5", "1.123456789", "22000000", "0x10", "1 5"] {
            assert!(
                matches!(refused(&format!("mycoin:ADDRESS?amount={}", escape(amount))), UriError::Amount(_)),
                "{amount}"
            );
        }
        for text in ["a%0ab", "%1b[2J", "%E2%80%AE"] {
            assert!(matches!(refused(&format!("mycoin:ADDRESS?label={text}")), UriError::Text { name: "label", .. }));
        }
        let long = "x".repeat(TEXT_LIMIT + 1);
        assert!(matches!(refused(&format!("mycoin:ADDRESS?message={long}")), UriError::Text { .. }));
        assert!(matches!(refused(&format!("mycoin:ADDRESS?x={}", "x".repeat(5_000))), UriError::TooLong { .. }));
    }

    #[test]
    fn damage_is_named_by_its_place() {
        let network = Network::mycoin();
        let start = "mycoin:".len() + address(&network).len() + "?label=".len();
        for damage in ["%", "%4", "%zz", " ", "<b>", "%ff", "%C3"] {
            let error = parse(&format!("mycoin:ADDRESS?label={damage}x")).expect_err(damage);
            assert_eq!(error, UriError::Damaged { position: start + 1 }, "{damage}");
        }
    }

    #[test]
    fn links_of_other_coins_are_told_by_their_coin() {
        let demo = Network::demo();
        let error = parse(&format!("{}:{}", demo.uri_scheme, address(&demo))).expect_err("another coin");
        assert!(error.to_string().contains(&demo.coin), "{error}");
        assert_eq!(error.code(), "uri/other-coin");
        let error = parse("bitcoin:ADDRESS").expect_err("another coin");
        assert!(error.to_string().contains("Bitcoin"), "{error}");
        assert!(matches!(parse("https:ADDRESS"), Err(UriError::OtherScheme { .. })));
        // Under our scheme, but an address of another network.
        let error = parse(&format!("mycoin:{}", address(&demo))).expect_err("another coin's address");
        assert!(matches!(error, UriError::Address(AddressError::OtherCoin { .. })), "{error}");
        assert!(matches!(parse("mycoin:"), Err(UriError::Address(AddressError::Empty { .. }))));
        assert!(matches!(parse("mycoin:?amount=1"), Err(UriError::Address(AddressError::Empty { .. }))));
        assert!(matches!(parse("mycoin://ADDRESS"), Err(UriError::Address(_))));
        for text in ["ADDRESS", "bob", "", "1:2", ":x"] {
            assert!(matches!(parse(text), Err(UriError::NoScheme { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            units in proptest::option::of(1..=Amount::MAX_MONEY.to_sat()),
            label in proptest::option::of("\\PC{0,40}"),
            message in proptest::option::of("[a-z&=%?#+ äß漢]{0,40}"),
        ) {
            let network = Network::demo();
            let bare = PaymentUri::to_address(&address(&network), &network).expect("an address");
            let text = |text: Option<String>| text.map(|text| cleaned(&text)).filter(|text| !text.is_empty());
            let uri = PaymentUri { amount: units.map(Amount::from_sat), label: text(label), message: text(message), ..bare };
            prop_assert_eq!(PaymentUri::parse(&uri.to_text(&network), &network), Ok(uri));
        }

        #[test]
        fn no_text_makes_the_reader_stumble(text in "\\PC{0,80}", query in "(mycoin-demo:|%|[a-z=&?]|é|[0-9]){0,30}") {
            let network = Network::demo();
            let _ = PaymentUri::parse(&text, &network);
            let _ = PaymentUri::parse(&format!("mycoin-demo:{}?{query}{text}", address(&network)), &network);
        }
    }
}
