//! The public port: HTTP/1.1 alone, with limits on connections, headers and time that hold before any handler runs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::limits::ClientKey;
use crate::patient::Patient;
use crate::state::told_to_stop;

/// Connections at the same time.
pub(crate) const CONNECTIONS: usize = 256;
/// Of which one client may hold so many.
pub(crate) const CONNECTIONS_OF_ONE: usize = 128;
/// Requests after which a connection ends, so that the places go round.
const REQUESTS: usize = 100;
const HEADERS: usize = 64;
/// The longest head that is read, in bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// How long running requests may go on after the proxy was told to stop.
const GRACE: Duration = Duration::from_secs(3);

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a request's head to arrive, and between two requests of one connection.
    pub(crate) head: Duration,
    /// For taking the next [`crate::patient::PART`] of an answer.
    pub(crate) write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: Duration::from_secs(10), write: Duration::from_secs(30) }
    }
}

/// What a client hears for whom there is no place. It is written at once or not at all.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
    content-type: application/json\r\nx-content-type-options: nosniff\r\ncontent-length: 103\r\n\r\n\
    {\"error\":{\"code\":\"proxy/busy\",\"message\":\"The proxy serves as many clients as it can.\",\"next\":\"Wait.\"}}\n";

/// Accepts and serves until `stopping`, then lets running requests end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    patience: Patience,
    mut stopping: watch::Receiver<bool>,
) {
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
                let connection = Connection { router: router.clone(), patience, stopping: stopping.clone(), address };
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
    patience: Patience,
    stopping: watch::Receiver<bool>,
    address: SocketAddr,
}

impl Connection {
    async fn run(mut self, stream: TcpStream, _place: OwnedSemaphorePermit, _client: Client) {
        // Without it small answers wait for the client's acknowledgement; a failure costs only speed.
        let _ = stream.set_nodelay(true);
        let requests = Arc::new(AtomicUsize::new(0));
        let count = from_fn(move |request: Request, next: Next| last_one_closes(Arc::clone(&requests), request, next));
        let router = self.router.layer(count).layer(Extension(ConnectInfo(self.address)));
        let service = TowerToHyperService::new(router);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience.head)
            .max_headers(HEADERS)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(Patient::new(stream, self.patience.write)), service);
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

/// Tells the client with the last answer of a connection that it is the last.
async fn last_one_closes(requests: Arc<AtomicUsize>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if requests.fetch_add(1, Ordering::Relaxed) + 1 >= REQUESTS {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
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
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn the_answer_without_a_place_has_its_length() {
        let text = std::str::from_utf8(NO_PLACE).expect("it is ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert_eq!(head.lines().last(), Some(format!("content-length: {}", body.len()).as_str()));
    }

    /// Told when an answer is no longer held.
    struct Body {
        bytes: &'static [u8],
        _told: watch::Sender<()>,
    }

    impl AsRef<[u8]> for Body {
        fn as_ref(&self) -> &[u8] {
            self.bytes
        }
    }

    static ANSWER: [u8; 64 * 1024 * 1024] = [b'x'; 64 * 1024 * 1024];

    /// A client of a server that answers at once with so much, and what ends when the answer is dropped.
    async fn client(size: usize) -> std::io::Result<(TcpStream, watch::Receiver<()>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (told, dropped) = watch::channel(());
        let bytes = ANSWER.get(..size).unwrap_or_default();
        let answer = axum::body::Bytes::from_owner(Body { bytes, _told: told });
        let answer = Arc::new(Mutex::new(Some(answer)));
        let router = Router::new().route(
            "/",
            get(move || {
                let kept = if size > 10 { answer.lock().expect("nothing panics").take() } else { None };
                async move { kept.unwrap_or_default() }
            }),
        );
        let patience = Patience { head: Duration::from_millis(300), write: Duration::from_millis(200) };
        // The sender is leaked: the server runs until the test ends.
        let stopping = Box::leak(Box::new(watch::Sender::new(false))).subscribe();
        tokio::spawn(serve(listener, router, patience, stopping));
        Ok((TcpStream::connect(address).await?, dropped))
    }

    #[tokio::test]
    async fn who_does_not_read_the_answer_loses_the_connection() -> std::io::Result<()> {
        let (mut stream, mut dropped) = client(ANSWER.len()).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        let ended = tokio::time::timeout(Duration::from_secs(5), dropped.changed()).await?;
        assert!(ended.is_err(), "the answer is held no more");
        Ok(())
    }

    #[tokio::test]
    async fn who_reads_steadily_gets_all_of_it_however_long_it_takes() -> std::io::Result<()> {
        let (mut stream, _dropped) = client(ANSWER.len()).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let (mut part, mut read, mut parts) = (vec![0; 1024 * 1024], 0, 0);
        loop {
            match stream.read(&mut part).await? {
                0 => break,
                some => read += some,
            }
            parts += 1;
            if parts % 16 == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert!(read > ANSWER.len(), "{read}");
        Ok(())
    }

    #[tokio::test]
    async fn a_connection_ends_after_so_many_requests() -> std::io::Result<()> {
        let (mut stream, _dropped) = client(0).await?;
        for _ in 0..REQUESTS {
            stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        }
        let mut answers = String::new();
        tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut answers)).await??;
        assert_eq!(answers.matches("HTTP/1.1 200").count(), REQUESTS);
        assert_eq!(answers.matches("connection: close").count(), 1);
        Ok(())
    }

    #[tokio::test]
    async fn an_idle_connection_ends() -> std::io::Result<()> {
        let (mut stream, _dropped) = client(0).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await??;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Ok(())
    }
}
