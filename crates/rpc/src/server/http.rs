//! HTTP on one connection: who may ask, what is asked, within which limits.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, Request, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use futures_util::{StreamExt as _, stream};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mycoin_identity::Role;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use super::cookie::Cookie;
use super::{RpcHandler, Shutdown, stopped};
use crate::envelope;

/// Connections at the same time; each asks one thing at a time.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// How long calls in progress may take at the end.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// For a request's head; and how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(30);
const BODY_TIME: Duration = Duration::from_secs(30);
/// The longest body, in bytes, as Bitcoin Core's (`MAX_SIZE`, src/serialize.h).
const MAX_BODY: usize = 32 * 1024 * 1024;
/// The longest head, from the request line to the empty one, in bytes (`MAX_HEADERS_SIZE`, src/httpserver.h).
const MAX_HEAD: usize = 8_192;
/// After a wrong cookie: guessing must be slow (as Bitcoin Core, src/httprpc.cpp).
const WRONG_COOKIE_DELAY: Duration = Duration::from_millis(250);
/// How many events may wait for a subscriber that reads slowly.
const EVENT_QUEUE: usize = 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What is known of the peer when the connection stands.
#[derive(Clone)]
pub(super) enum Caller {
    /// Its certificate said its role.
    Known(Role),
    /// Each of its requests must carry the cookie.
    Cookie(Arc<Cookie>),
}

/// Serves one connection until it ends, the server ends, or its event subscriber is too slow.
pub(super) async fn serve_connection<S, H>(stream: S, caller: Caller, handler: Arc<H>, shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: RpcHandler,
{
    let too_slow = Arc::new(Notify::new());
    let service = service_fn(|request: Request<Incoming>| {
        let desk = Desk {
            caller: caller.clone(),
            handler: handler.clone(),
            shutdown: shutdown.clone(),
            too_slow: too_slow.clone(),
        };
        async move { Ok::<_, Infallible>(desk.respond(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut ending = shutdown.clone();
    tokio::select! {
        // How a connection ends is the peer's affair.
        _ = connection.as_mut() => {}
        () = too_slow.notified() => tracing::warn!("an event subscriber reads too slowly; it is cut off"),
        () = stopped(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(GRACE, connection).await;
        }
    }
}

/// Why a request is not even read.
enum Refusal {
    /// A browser asks for a page, which may be anybody's.
    WebPage,
    /// The name that was dialled is not the loopback's.
    ForeignHost,
    /// The cookie is missing or wrong.
    NoCookie,
}

impl Refusal {
    fn response(&self) -> Response<Body> {
        match self {
            Self::WebPage => plain(StatusCode::FORBIDDEN, "requests of web pages are not answered", &[]),
            Self::ForeignHost => plain(StatusCode::FORBIDDEN, "the Host must be this machine's loopback address", &[]),
            Self::NoCookie => {
                let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"jsonrpc\"")];
                plain(StatusCode::UNAUTHORIZED, "the cookie is missing or wrong", &challenge)
            }
        }
    }
}

/// What one request meets.
struct Desk<H> {
    caller: Caller,
    handler: Arc<H>,
    shutdown: Shutdown,
    too_slow: Arc<Notify>,
}

impl<H: RpcHandler> Desk<H> {
    async fn respond(self, request: Request<Incoming>) -> Response<Body> {
        let role = match self.admit(request.headers()).await {
            Ok(role) => role,
            Err(refusal) => return refusal.response(),
        };
        match (request.method(), request.uri().path()) {
            (&Verb::POST, "/") => self.answer(request, role).await,
            (&Verb::GET, "/events") => self.stream_events(),
            (_, "/") => plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "JSON-RPC server handles only POST requests",
                &[(header::ALLOW, "POST")],
            ),
            (_, "/events") => {
                plain(StatusCode::METHOD_NOT_ALLOWED, "events are read with GET", &[(header::ALLOW, "GET")])
            }
            _ => plain(StatusCode::NOT_FOUND, "there is / for calls and /events for events", &[]),
        }
    }

    /// Who asks.
    async fn admit(&self, headers: &HeaderMap) -> Result<Role, Refusal> {
        if headers.get_all(header::ORIGIN).iter().any(|origin| !is_local_origin(origin)) {
            return Err(Refusal::WebPage);
        }
        let cookie = match &self.caller {
            Caller::Known(role) => return Ok(*role),
            Caller::Cookie(cookie) => cookie,
        };
        if !headers.get(header::HOST).is_some_and(is_local_host) {
            return Err(Refusal::ForeignHost);
        }
        let Some(given) = headers.get(header::AUTHORIZATION) else { return Err(Refusal::NoCookie) };
        if given.to_str().is_ok_and(|given| cookie.opens(given)) {
            return Ok(Role::Admin);
        }
        sleep(WRONG_COOKIE_DELAY).await;
        Err(Refusal::NoCookie)
    }

    async fn answer(self, request: Request<Incoming>, role: Role) -> Response<Body> {
        if request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| !is_json(kind)) {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json", &[]);
        }
        let body = match timeout(BODY_TIME, read_body(request)).await {
            Ok(Ok(body)) => body,
            Ok(Err(status)) => return plain(status, "the body could not be read", &[(header::CONNECTION, "close")]),
            Err(_) => {
                return plain(StatusCode::REQUEST_TIMEOUT, "the body took too long", &[(header::CONNECTION, "close")]);
            }
        };
        let reply = envelope::answer(&*self.handler, &body, role).await;
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match reply.body {
            None => with_status(Response::new(Body::empty()), status),
            Some(value) => {
                let mut text = value.to_string();
                text.push('\n');
                let mut response = with_status(Response::new(Body::from(text)), status);
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
        }
    }

    /// Server-sent events. They wait in a queue of their own: when it is full, the subscriber is cut off, and nobody waits.
    fn stream_events(self) -> Response<Body> {
        let (sender, receiver) = mpsc::channel(EVENT_QUEUE);
        let mut events = self.handler.events();
        let mut shutdown = self.shutdown;
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    event = events.recv() => event,
                    () = sender.closed() => return,
                    () = stopped(&mut shutdown) => return,
                };
                let queued = match event {
                    Ok(event) => sender.try_send(event).is_ok(),
                    Err(RecvError::Lagged(_)) => false,
                    Err(RecvError::Closed) => return,
                };
                if !queued {
                    self.too_slow.notify_one();
                    return;
                }
            }
        });
        let messages = stream::unfold(receiver, |mut receiver| async move {
            let event: crate::Event = receiver.recv().await?;
            Some((Message::default().json_data(&event), receiver))
        });
        // The first line tells the subscriber at once that it is subscribed.
        let hello = stream::once(async { Ok(Message::default().comment("subscribed")) });
        Sse::new(hello.chain(messages)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
    }
}

async fn read_body(request: Request<Incoming>) -> Result<Vec<u8>, StatusCode> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > MAX_BODY) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut body: Vec<u8> = Vec::new();
    let mut chunks = Body::new(request.into_body()).into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk: Bytes = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        if body.len() + chunk.len() > MAX_BODY {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn plain(status: StatusCode, text: &'static str, headers: &[(HeaderName, &'static str)]) -> Response<Body> {
    let mut response = with_status(Response::new(Body::from(text)), status);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    for (name, value) in headers {
        response.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
    }
    response
}

fn with_status(mut response: Response<Body>, status: StatusCode) -> Response<Body> {
    *response.status_mut() = status;
    response
}

fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn is_local_origin(origin: &HeaderValue) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    origin.split_once("://").is_some_and(|(_, host)| names_loopback(host))
}

fn is_local_host(host: &HeaderValue) -> bool {
    names_loopback(host.to_str().unwrap_or_default())
}

/// Whether `host` or `host:port` is this machine by its loopback name or address. A name that merely resolves to it is not
/// enough: a foreign page can have one (DNS rebinding).
fn names_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_local() {
        for host in ["localhost", "LOCALHOST:7601", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:7601"] {
            assert!(names_loopback(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", "[::2]", "0.0.0.0"]
        {
            assert!(!names_loopback(host), "{host}");
        }
    }
}
