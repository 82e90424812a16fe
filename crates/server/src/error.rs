//! Why the server does not start.

use mycoin_chain::ChainError;
use mycoin_files::FilesError;
use mycoin_identity::IdentityError;
use mycoin_p2p::P2pError;
use mycoin_primitives::Failure;
use mycoin_rpc::ServeError;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The chain cannot be opened.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The peers cannot be started.
    #[error(transparent)]
    Peers(#[from] P2pError),
    /// The RPC cannot be served.
    #[error(transparent)]
    Rpc(#[from] ServeError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A file cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The operating system gives no thread.
    #[error("a thread cannot be started: {source}")]
    Thread {
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
}

impl Failure for ServerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::Peers(error) => error.code(),
            Self::Rpc(error) => error.code(),
            Self::Identity(error) => error.code(),
            Self::Files(error) => error.code(),
            Self::Thread { .. } => "server/no-thread",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.next_step(),
            Self::Peers(error) => error.next_step(),
            Self::Rpc(error) => error.next_step(),
            Self::Identity(error) => error.next_step(),
            Self::Files(_) => "",
            Self::Thread { .. } => "Stop other programs or raise the limit of threads, then start again.",
        }
    }
}
