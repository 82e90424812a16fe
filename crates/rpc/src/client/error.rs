//! Why a call has no answer, told apart.

use std::error::Error;
use std::io;
use std::time::Duration;

use mycoin_identity::{IdentityError, TlsFault};
use mycoin_primitives::Failure;

use crate::RpcError;

/// Which side ended a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refuser {
    /// We do not believe the server.
    Us,
    /// The server does not believe us.
    Server,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not `host:port`.
    #[error("{server:?} is not an address of the form host:port")]
    BadAddress {
        /// What was given.
        server: String,
    },
    /// Our certificate, key or trust cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No connection.
    #[error("the base server at {server} cannot be reached: {reason}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// Why.
        reason: String,
    },
    /// The connection stands, but one side does not believe the other.
    #[error("{}", refused(server, *by, reason))]
    TlsRefused {
        /// The server's address.
        server: String,
        /// Which side.
        by: Refuser,
        /// Why, in words.
        reason: String,
    },
    /// No answer in time.
    #[error("the base server at {server} did not answer within {seconds} seconds")]
    TimedOut {
        /// The server's address.
        server: String,
        /// The limit.
        seconds: u64,
    },
    /// An HTTP status instead of an answer.
    #[error("the base server at {server} answered with HTTP status {status}")]
    Status {
        /// The server's address.
        server: String,
        /// The status.
        status: u16,
    },
    /// The server's answer is an error.
    #[error("{0}")]
    Rpc(RpcError),
    /// An answer that makes no sense.
    #[error("the base server at {server} gave an answer that cannot be understood: {reason}")]
    BadAnswer {
        /// The server's address.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn refused(server: &str, by: Refuser, reason: &str) -> String {
    match by {
        Refuser::Us => format!("the base server at {server} is not believed: {reason}"),
        Refuser::Server => format!("the base server at {server} refused us: {reason}"),
    }
}

impl Failure for ClientError {
    fn code(&self) -> &'static str {
        match self {
            Self::BadAddress { .. } => "rpc/bad-address",
            Self::Identity(error) => error.code(),
            Self::Unreachable { .. } => "rpc/unreachable",
            Self::TlsRefused { by: Refuser::Us, .. } => "rpc/server-not-believed",
            Self::TlsRefused { by: Refuser::Server, .. } => "rpc/refused-by-server",
            Self::TimedOut { .. } => "rpc/timed-out",
            Self::Status { .. } => "rpc/http-status",
            Self::Rpc(_) => "rpc/error",
            Self::BadAnswer { .. } => "rpc/bad-answer",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::BadAddress { .. } => "Give it as in 127.0.0.1:7601.",
            Self::Identity(error) => error.next_step(),
            Self::Unreachable { .. } => "Start the base server with `mycoin server`, or give its address.",
            Self::TlsRefused { by: Refuser::Us, .. } => {
                "Check the address, --server-name, and the authority or pinned certificate given for the server."
            }
            Self::TlsRefused { by: Refuser::Server, .. } => {
                "Use a certificate that this server issued, or have it pinned there with --pin FILE."
            }
            Self::TimedOut { .. } => "Try again; look into the server's log when it happens again.",
            Self::Status { .. } | Self::BadAnswer { .. } => "Check that the address is that of a MyCoin base server.",
            Self::Rpc(_) => "",
        }
    }
}

/// Finds the cause of what the HTTP client reports.
pub(super) fn explain(server: &str, timeout: Duration, error: &reqwest::Error) -> ClientError {
    let server = server.to_owned();
    if let Some(tls) = find_tls(error) {
        let (by, reason) = match mycoin_identity::explain(tls) {
            TlsFault::WeRefuse(reason) => (Refuser::Us, reason),
            TlsFault::TheyRefuse(reason) => (Refuser::Server, reason),
        };
        return ClientError::TlsRefused { server, by, reason };
    }
    if error.is_timeout() && !error.is_connect() {
        return ClientError::TimedOut { server, seconds: timeout.as_secs() };
    }
    let reason = match find_io(error) {
        Some(io) => io.to_string(),
        None if error.is_timeout() => "it does not answer".to_owned(),
        None if error.is_connect() => "there is no such host, or no way to it".to_owned(),
        None => "the connection broke".to_owned(),
    };
    ClientError::Unreachable { server, reason }
}

fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    // What an io::Error wraps is not its source but itself.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let wrapped: Option<&'a (dyn Error + 'static)> = wrapped.map(|inner| inner as _);
    wrapped.and_then(find_tls).or_else(|| error.source().and_then(find_tls))
}

/// The operating system's answer.
fn find_io<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    error
        .downcast_ref::<io::Error>()
        .filter(|error| error.raw_os_error().is_some())
        .or_else(|| error.source().and_then(find_io))
}
