//! The public port: HTTP/1.1 alone, with limits on connections, headers and time that hold before any handler runs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::limits::ClientKey;
use crate::state::told_to_stop;

/// Connections at the same time.
pub(crate) const CONNECTIONS: usize = 256;
/// Of which one client may hold so many.
pub(crate) const CONNECTIONS_OF_ONE: usize = 128;
/// How long a request's head may take to arrive, and how long a connection may be idle between requests.
const HEAD_TIME: Duration = Duration::from_secs(10);
const HEADERS: usize = 64;
/// The longest head that is read, in bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// How long running requests may go on after the proxy was told to stop.
const GRACE: Duration = Duration::from_secs(3);

/// What a client hears for whom there is no place. It is written at once or not at all.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
    content-type: application/json\r\nx-content-type-options: nosniff\r\ncontent-length: 103\r\n\r\n\
    {\"error\":{\"code\":\"proxy/busy\",\"message\":\"The proxy serves as many clients as it can.\",\"next\":\"Wait.\"}}\n";

/// Accepts and serves until `stopping`, then lets running requests end.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let clients = Arc::new(Clients::default());
    let mut connections = JoinSet::new();
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely; connections that end make room.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = told_to_stop(&mut stopping) => break,
        };
        while connections.try_join_next().is_some() {}
        match (Arc::clone(&places).try_acquire_owned(), clients.enter(address.ip().into())) {
            (Ok(place), Some(client)) => {
                let connection = Connection { router: router.clone(), stopping: stopping.clone(), address };
                connections.spawn(connection.run(stream, place, client));
            }
            _ => {
                let _ = stream.try_write(NO_PLACE);
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::debug!("some connections did not end in time");
    }
}

struct Connection {
    router: Router,
    stopping: watch::Receiver<bool>,
    address: SocketAddr,
}

impl Connection {
    async fn run(mut self, stream: TcpStream, _place: OwnedSemaphorePermit, _client: Client) {
        // Without it small answers wait for the client's acknowledgement; a failure costs only speed.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(self.router.layer(Extension(ConnectInfo(self.address))));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_headers(HEADERS)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = told_to_stop(&mut self.stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// How many connections each client has.
#[derive(Default)]
struct Clients(Mutex<HashMap<ClientKey, usize>>);

/// One connection of a client; counted until it is dropped.
struct Client {
    clients: Arc<Clients>,
    key: ClientKey,
}

impl Clients {
    fn enter(self: &Arc<Self>, key: ClientKey) -> Option<Client> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key).or_default();
        if *count >= CONNECTIONS_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Client { clients: Arc::clone(self), key })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NO_PLACE;

    #[test]
    fn the_answer_without_a_place_has_its_length() {
        let text = std::str::from_utf8(NO_PLACE).expect("it is ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert_eq!(head.lines().last(), Some(format!("content-length: {}", body.len()).as_str()));
    }
}
