//! The error that a method answers, with Bitcoin Core's numbers.

use mycoin_primitives::Failure;
use serde::{Deserialize, Serialize};

/// What went wrong in a call: Bitcoin Core's number, a sentence, and where there is one, the catalogue's entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// Bitcoin Core's number (src/rpc/protocol.h), or JSON-RPC's.
    pub code: i64,
    /// The sentence, or Bitcoin Core's text where programs compare that; [`Self::sentence`] is for people.
    pub message: String,
    /// The catalogue's entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<ErrorData>>,
}

/// The catalogue's entry of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData {
    /// The stable code, `area/what-failed`.
    pub code: String,
    /// What to do next; may be empty.
    #[serde(default)]
    pub next: String,
    /// Bitcoin's reject string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_reason: Option<String>,
    /// The sentence for people, where the error's message is Bitcoin Core's text, which programs compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
}

impl RpcError {
    /// Unspecific failure.
    pub const MISC: i64 = -1;
    /// A value of the wrong type.
    pub const TYPE: i64 = -3;
    /// An address, or the hash of something that is not known.
    pub const INVALID_ADDRESS_OR_KEY: i64 = -5;
    /// A parameter that is out of range or does not exist.
    pub const INVALID_PARAMETER: i64 = -8;
    /// No peers.
    pub const NOT_CONNECTED: i64 = -9;
    /// Still catching up.
    pub const INITIAL_DOWNLOAD: i64 = -10;
    /// A peer is added, or an address banned, already.
    pub const NODE_ALREADY_ADDED: i64 = -23;
    /// A peer that is to be disconnected is not connected.
    pub const NODE_NOT_CONNECTED: i64 = -29;
    /// Neither an address nor a subnet; or one that is not banned.
    pub const INVALID_IP_OR_SUBNET: i64 = -30;
    /// Parameters that do not go together.
    pub const INVALID_PARAMS: i64 = -32602;
    /// A peer that is to be removed was not added.
    pub const NODE_NOT_ADDED: i64 = -24;
    /// The disk or the store failed.
    pub const DATABASE: i64 = -20;
    /// Bytes that are no transaction, block or script.
    pub const DESERIALIZATION: i64 = -22;
    /// A transaction or block could not be handed in.
    pub const VERIFY: i64 = -25;
    /// The network's rules or our policy refuse it.
    pub const VERIFY_REJECTED: i64 = -26;
    /// It is in the chain already.
    pub const VERIFY_ALREADY: i64 = -27;
    /// Still starting.
    pub const WARMUP: i64 = -28;
    /// The request is no JSON-RPC request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// There is no such method, or the caller may not call it.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// A fault of ours.
    pub const INTERNAL: i64 = -32603;
    /// The request is no JSON.
    pub const PARSE: i64 = -32700;

    /// An error with a number and a sentence.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// A failure of the catalogue under Core's number.
    pub fn from_failure(code: i64, failure: &(impl Failure + ?Sized)) -> Self {
        Self::new(code, failure.to_string()).with_data(failure.code(), failure.next_step())
    }

    /// Adds the catalogue's entry.
    #[must_use]
    pub fn with_data(mut self, code: &str, next: &str) -> Self {
        let (reject_reason, sentence) =
            self.data.map(|data| *data).map(|data| (data.reject_reason, data.sentence)).unwrap_or_default();
        self.data = Some(Box::new(ErrorData { code: code.to_owned(), next: next.to_owned(), reject_reason, sentence }));
        self
    }

    /// Adds Bitcoin's reject string.
    #[must_use]
    pub fn with_reject_reason(mut self, reason: impl Into<String>) -> Self {
        let mut data = self.data.unwrap_or_else(|| {
            let (code, next) = ("rpc/rejected".to_owned(), String::new());
            Box::new(ErrorData { code, next, reject_reason: None, sentence: None })
        });
        data.reject_reason = Some(reason.into());
        self.data = Some(data);
        self
    }

    /// Says it in Bitcoin Core's words, which programs compare; the sentence for people moves to the catalogue's entry.
    #[must_use]
    pub fn in_words_of_core(mut self, words: impl Into<String>) -> Self {
        let sentence = std::mem::replace(&mut self.message, words.into());
        if let Some(data) = &mut self.data {
            data.sentence = Some(sentence);
        }
        self
    }

    /// What a person reads.
    pub fn sentence(&self) -> &str {
        self.data.as_ref().and_then(|data| data.sentence.as_deref()).unwrap_or(&self.message)
    }

    /// A parameter that is out of range or makes no sense.
    pub fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(Self::INVALID_PARAMETER, message)
    }

    /// A hash or address that is not known, or is none.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Self::INVALID_ADDRESS_OR_KEY, message)
    }

    /// Bytes that are not what they should be.
    pub fn deserialization(message: impl Into<String>) -> Self {
        Self::new(Self::DESERIALIZATION, message)
    }

    /// A fault of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Self::INTERNAL, message)
    }

    /// Bitcoin's reject string, where there is one.
    pub fn reject_reason(&self) -> Option<&str> {
        self.data.as_ref()?.reject_reason.as_deref()
    }
}
