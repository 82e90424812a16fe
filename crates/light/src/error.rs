//! Why a proxy's answer cannot be used, in our own words.

use mycoin_primitives::{BlockHash, Failure};

use crate::proof::ProofError;

/// Why asking a proxy failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// Not an address that a proxy could have.
    #[error("“{url}” is not a proxy's address. It looks like http://127.0.0.1:7600.")]
    BadUrl {
        /// What was given.
        url: String,
    },
    /// Nobody answers there.
    #[error("The proxy at {url} cannot be reached.")]
    Unreachable {
        /// The proxy's address.
        url: String,
    },
    /// It did not answer in time.
    #[error("The proxy at {url} did not answer within {seconds} seconds.")]
    TimedOut {
        /// The proxy's address.
        url: String,
        /// How long the client waited.
        seconds: u64,
    },
    /// It does not have what was asked for.
    #[error("The proxy knows no such {what}.")]
    NotFound {
        /// Block, transaction, …
        what: &'static str,
    },
    /// It refused the request.
    #[error("{message}")]
    Refused {
        /// The catalogue's code; `proxy/refused` where we do not know the proxy's.
        code: &'static str,
        /// A sentence of ours.
        message: String,
        /// What to do next, in our words; may be empty.
        next: &'static str,
        /// Bitcoin's reject string, if it is one that we know.
        reject_reason: Option<&'static str>,
    },
    /// Too many requests.
    #[error("The proxy asks to wait {seconds} seconds before the next request.")]
    TooManyRequests {
        /// How long to wait.
        seconds: u64,
    },
    /// The answer is not what such a request is answered with.
    #[error("The proxy's answer for {what} makes no sense.")]
    BadAnswer {
        /// What was asked for.
        what: &'static str,
    },
    /// The answer is longer than any honest one.
    #[error("The proxy's answer is longer than {limit} bytes.")]
    AnswerTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The coin that it offers is none.
    #[error("The proxy offers no coin that can be joined: {reason}")]
    BadSpec {
        /// What is wrong, in one plain line.
        reason: String,
    },
    /// The proxy serves another coin.
    #[error("The proxy at {url} does not serve {expected}: its first block is {found}.")]
    WrongNetwork {
        /// The proxy's address.
        url: String,
        /// The coin that was expected.
        expected: String,
        /// The first block of the proxy's chain.
        found: BlockHash,
    },
    /// A proof does not prove what the proxy claims.
    #[error("The proxy's proof is wrong: {0}")]
    Proof(#[from] ProofError),
}

impl Failure for LightError {
    fn code(&self) -> &'static str {
        match self {
            Self::BadUrl { .. } => "proxy/bad-url",
            Self::Unreachable { .. } => "proxy/unreachable",
            Self::TimedOut { .. } => "proxy/timed-out",
            Self::NotFound { .. } => "proxy/not-found",
            Self::Refused { code, .. } => code,
            Self::TooManyRequests { .. } => "proxy/too-many-requests",
            Self::BadAnswer { .. } => "proxy/bad-answer",
            Self::AnswerTooLong { .. } => "proxy/answer-too-long",
            Self::BadSpec { .. } => "proxy/bad-spec",
            Self::WrongNetwork { .. } => "proxy/wrong-network",
            Self::Proof(_) => "proxy/bad-proof",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::BadUrl { .. } => "Correct the address.",
            Self::Unreachable { .. } | Self::TimedOut { .. } => {
                "Check that the proxy runs, or name another one with --proxy."
            }
            Self::NotFound { .. } => "",
            Self::Refused { next, .. } => next,
            Self::TooManyRequests { .. } => "Wait, then try again.",
            Self::BadSpec { .. } => "Tell who runs the proxy, or join by another one.",
            Self::BadAnswer { .. } | Self::AnswerTooLong { .. } | Self::Proof(_) => {
                "Use another proxy, and do not trust what this one showed."
            }
            Self::WrongNetwork { .. } => "Choose the network with --network, or a proxy that serves it with --proxy.",
        }
    }
}
