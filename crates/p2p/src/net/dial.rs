//! Making connections.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// How long dialling may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Connects with `target`, a `host:port`.
pub(super) async fn connect(target: &str) -> io::Result<TcpStream> {
    tokio::time::timeout(TIMEOUT, TcpStream::connect(target)).await?
}
