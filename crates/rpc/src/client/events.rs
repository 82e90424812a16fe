//! The event stream, as a client reads it: server-sent events.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

use super::ClientError;
use crate::Event;

/// Longer than three of the server's signs of life.
const SILENCE: Duration = Duration::from_secs(50);
/// No event is near this size.
const MAX_MESSAGE: usize = 1024 * 1024;

/// Events as they come. After its end, subscribe anew and catch up by calls.
#[derive(Debug)]
pub struct EventStream {
    response: Response,
    server: Arc<str>,
    buffer: Vec<u8>,
}

impl EventStream {
    pub(super) fn new(response: Response, server: Arc<str>) -> Self {
        Self { response, server, buffer: Vec::new() }
    }

    /// The next event; `None` when the stream ended: the server stops, is gone, or this reader was too slow.
    ///
    /// Events that this version does not know are passed over. Safe to cancel.
    ///
    /// # Errors
    ///
    /// [`ClientError::BadAnswer`] when what comes is no event stream.
    pub async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        loop {
            while let Some(message) = self.take_message() {
                if let Some(event) = message.and_then(|text| serde_json::from_str(&text).ok()) {
                    return Some(Ok(event));
                }
            }
            if self.buffer.len() > MAX_MESSAGE {
                let reason = "an event is larger than 1 MiB".to_owned();
                return Some(Err(ClientError::BadAnswer { server: self.server.to_string(), reason }));
            }
            match timeout(SILENCE, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => self.buffer.extend_from_slice(&bytes),
                // Ended, broken, or silent for too long: the same to the reader.
                Ok(Ok(None) | Err(_)) | Err(_) => return None,
            }
        }
    }

    /// Takes one whole message from the buffer; its data, if it has any.
    fn take_message(&mut self) -> Option<Option<String>> {
        let end = self.buffer.windows(2).position(|pair| pair == b"\n\n")?;
        let message: Vec<u8> = self.buffer.drain(..end + 2).collect();
        let text = String::from_utf8_lossy(&message);
        let lines: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
        Some(if lines.is_empty() { None } else { Some(lines.join("\n")) })
    }
}
