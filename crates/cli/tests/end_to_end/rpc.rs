//! A client of the RPC with a cookie: plain HTTP, one connection for each call.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};

/// Where the RPC answers, and what opens it.
#[derive(Clone)]
pub(crate) struct Rpc {
    pub(crate) address: String,
    pub(crate) cookie: String,
}

impl Rpc {
    /// Takes the key from the server's cookie file.
    pub(crate) fn open(address: String, cookie: &Path) -> Self {
        let cookie = fs::read_to_string(cookie).expect("a server that is ready has left its cookie");
        Self { address, cookie }
    }

    /// Sends a request with these headers, and gives status and body.
    pub(crate) fn http(&self, verb: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let request =
            format!("{verb} / HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, body.to_owned())
    }

    pub(crate) fn post(&self, body: &Value) -> (u16, Value) {
        let authorization = format!("Basic {}", base64(self.cookie.as_bytes()));
        let headers =
            [("Host", &*self.address), ("Authorization", &authorization), ("Content-Type", "application/json")];
        let (status, body) = self.http("POST", &headers, &body.to_string());
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// Calls a method that must answer.
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let (status, mut answer) = self.post(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        assert!(status == 200 && answer.get("error").is_none(), "{method} {params}: {status} {answer}");
        answer["result"].take()
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk.iter().chain([&0, &0]).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let digit = |at: usize| if at <= chunk.len() { DIGITS[bits >> (18 - 6 * at) & 63].into() } else { '=' };
        [0, 1, 2, 3].map(digit)
    };
    bytes.chunks(3).flat_map(group).collect()
}
