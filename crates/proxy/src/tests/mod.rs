//! The whole proxy on loopback: before it the wallet's client or raw HTTP, behind it a base server in memory.

mod face;
mod fake;
mod following;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mycoin_light::ProxyClient;
use mycoin_primitives::Network;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use fake::Fake;

use crate::ProxyHandle;
use crate::start::start;

type Outcome = Result<(), Box<dyn std::error::Error>>;

struct Running {
    proxy: ProxyHandle,
    server: Arc<Fake>,
    client: ProxyClient,
    dir: TempDir,
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn running(network: &Network, blocks: usize) -> Result<Running, Box<dyn std::error::Error>> {
    let (dir, server) = (tempfile::tempdir()?, Fake::new(network, blocks));
    let proxy = start(network.clone(), &dir.path().join("coin"), any_port(), Arc::clone(&server) as _).await?;
    tokio::time::timeout(Duration::from_secs(10), proxy.caught_up()).await?;
    let client = ProxyClient::new(&format!("http://{}", proxy.local_addr()), network)?;
    Ok(Running { proxy, server, client, dir })
}

impl Running {
    /// The answer to a raw request, as text: head and body.
    async fn raw(&self, request: &[u8]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.proxy.local_addr()).await?;
        // The proxy may answer and close before all of a too long request is written.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    async fn get(&self, path: &str) -> std::io::Result<String> {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await
    }

    async fn post(&self, path: &str, kind: &str, body: &str) -> std::io::Result<String> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.raw(format!("{head}{body}").as_bytes()).await
    }
}

fn status_of(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("nothing")
}

/// Waits until `holds`, for at most five seconds.
async fn eventually(holds: impl AsyncFn() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come about in five seconds");
}
