//! Plain HTTP with a cookie on loopback: as stock tools use it, and as web pages abuse it.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::common::Handler;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_rpc::{CookieServer, ServeError, bind};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

struct Door {
    address: SocketAddr,
    cookie: PathBuf,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    _dir: TempDir,
}

async fn open() -> Door {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let cookie = dir.path().join(".cookie");
    let listener = bind(([127, 0, 0, 1], 0).into(), "--rpc-cookie").await.expect("a free port");
    let server = CookieServer::open(listener, &cookie).expect("a cookie");
    let (stop, shutdown) = watch::channel(false);
    let address = server.address();
    let task = tokio::spawn(server.serve(Handler::new(16), shutdown));
    Door { address, cookie, stop, task, _dir: dir }
}

const CALL: &str = r#"{"method":"getblockcount","id":1}"#;

impl Door {
    fn authorization(&self) -> String {
        let cookie = std::fs::read_to_string(&self.cookie).expect("it was written");
        format!("Authorization: Basic {}", BASE64_STANDARD.encode(cookie))
    }

    /// Sends lines of a head and a body; gives the status and the whole answer.
    async fn send(&self, start: &str, head: &[&str], body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        let lines: String = head.iter().map(|line| format!("{line}\r\n")).collect();
        let length = body.len();
        let request = format!("{start} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{lines}\r\n{body}");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer)
    }

    async fn post(&self, head: &[&str]) -> u16 {
        let authorization = self.authorization();
        let mut lines = vec![authorization.as_str()];
        lines.extend(head);
        self.send("POST /", &lines, CALL).await.0
    }
}

#[tokio::test]
async fn the_cookie_opens_the_door() {
    let door = open().await;
    let authorization = door.authorization();
    let head = ["Host: 127.0.0.1:1", authorization.as_str(), "Content-Type: application/json"];
    let (status, answer) = door.send("POST /", &head, CALL).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains(r#""result":42"#) && answer.contains(r#""error":null"#), "{answer}");
    let (_, answer) = door.send("POST /", &head, r#"{"method":"stop","id":1}"#).await;
    assert!(answer.contains(r#""caller":"admin""#), "{answer}");

    let cookie = std::fs::read_to_string(&door.cookie).expect("it was written");
    assert!(cookie.starts_with("__cookie__:") && cookie.len() == 75);
    assert_eq!(std::fs::metadata(&door.cookie).expect("it stands").mode() & 0o777, 0o600);
    door.stop.send(true).expect("it runs");
    door.task.await.expect("cleanly");
    assert!(!door.cookie.exists());
}

#[tokio::test]
async fn without_the_cookie_there_is_nothing() {
    let door = open().await;
    let wrong = format!("Authorization: Basic {}", BASE64_STANDARD.encode("__cookie__:00"));
    for head in [vec![], vec![wrong.as_str()], vec!["Authorization: Basic ???"], vec!["Authorization: Bearer x"]] {
        let mut lines = vec!["Host: localhost"];
        lines.extend(head);
        let (status, answer) = door.send("POST /", &lines, CALL).await;
        assert_eq!(status, 401, "{answer}");
        assert!(answer.to_lowercase().contains(r#"www-authenticate: basic realm="jsonrpc""#) && !answer.contains("42"));
        assert_eq!(door.send("GET /events", &lines, "").await.0, 401);
    }
}

#[tokio::test]
async fn web_pages_are_refused() {
    let door = open().await;
    assert_eq!(door.post(&["Host: localhost:8332"]).await, 200);
    assert_eq!(door.post(&["Host: evil.example"]).await, 403);
    assert_eq!(door.post(&[]).await, 403, "no Host at all");
    assert_eq!(door.post(&["Host: localhost", "Origin: https://evil.example"]).await, 403);
    assert_eq!(door.post(&["Host: localhost", "Origin: null"]).await, 403);
    assert_eq!(door.post(&["Host: localhost", "Content-Type: text/plain"]).await, 415);
    assert_eq!(door.post(&["Host: localhost", "Content-Type: application/json; charset=utf-8"]).await, 200);
    let authorization = door.authorization();
    let head = ["Host: localhost", authorization.as_str()];
    let (status, answer) = door.send("GET /", &head, "").await;
    assert_eq!(status, 405);
    assert!(!answer.to_lowercase().contains("access-control"));
    assert_eq!(door.send("OPTIONS /", &head, "").await.0, 405);
    assert_eq!(door.send("POST /wallet/x", &head, CALL).await.0, 404);
}

/// Sends bytes; gives the status.
async fn status_of(door: &Door, bytes: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(door.address).await.expect("it listens");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[tokio::test]
async fn heads_have_8_192_bytes() {
    let door = open().await;
    let authorization = door.authorization();
    let length = CALL.len();
    let start = format!(
        "POST / HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n{authorization}\r\nContent-Length: {length}\r\nX-Long: "
    );
    for (bytes, status) in [(8_191, 200), (8_192, 200), (8_193, 431)] {
        let head = format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4));
        assert_eq!(head.len(), bytes);
        // What is too long is sent alone: an answer can be lost to whoever goes on writing.
        let body = if status == 200 { CALL } else { "" };
        assert_eq!(status_of(&door, format!("{head}{body}").as_bytes()).await, status, "{bytes}");
    }
}

#[tokio::test]
async fn bodies_have_32_mebibytes() {
    const LIMIT: usize = 33_554_432;
    let door = open().await;
    let authorization = door.authorization();
    let head = format!("POST / HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n{authorization}\r\n");
    // Spaces after the call belong to it.
    let body = |length: usize| [CALL.as_bytes(), &vec![b' '; length - CALL.len()]].concat();
    for length in [LIMIT - 1, LIMIT] {
        let head = format!("{head}Content-Length: {length}\r\n\r\n");
        assert_eq!(status_of(&door, &[head.as_bytes(), &body(length)].concat()).await, 200, "{length}");
    }
    let promised = format!("{head}Content-Length: {}\r\n\r\n", LIMIT + 1);
    assert_eq!(status_of(&door, promised.as_bytes()).await, 413, "by the head alone");
    // No length in the head: what comes is counted.
    let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", LIMIT + 1);
    assert_eq!(status_of(&door, &[chunks.as_bytes(), &body(LIMIT + 1)].concat()).await, 413);
}

#[tokio::test]
async fn other_addresses_than_loopback_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let listener = bind(([0, 0, 0, 0], 0).into(), "--rpc-cookie").await.expect("a free port");
    let opened = CookieServer::open(listener, &dir.path().join(".cookie"));
    assert!(matches!(opened, Err(ServeError::NotLoopback { .. })));
    assert!(!dir.path().join(".cookie").exists());
}
