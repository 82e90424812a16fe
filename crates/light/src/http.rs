//! One HTTP request to the proxy: limits on time and size, and its refusals in our words.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode, redirect};
use serde::de::DeserializeOwned;

use crate::error::LightError;
use crate::refusal::refused;

/// How long an answer may take.
const ANSWER_SECONDS: u64 = 10;
/// How long a connection may take to open.
const CONNECT_SECONDS: u64 = 5;
/// How long the event stream may be silent: the proxy sends a sign of life every 15 seconds.
const EVENT_SILENCE_SECONDS: u64 = 45;
/// A proxy that asks to wait this long at most is asked again, so often: a large wallet's first synchronisation asks for much.
const PATIENCE_SECONDS: u64 = 2;
const ATTEMPTS: usize = 10;
/// The longest wait that we believe a proxy about.
const LONGEST_WAIT_SECONDS: u64 = 3_600;
/// The longest answer that is read.
pub(crate) const ANSWER_LIMIT: usize = 8 * 1024 * 1024;
/// 25 transactions of the largest standard size, as JSON: a stranger who pays an address that much must not make it unreadable.
pub(crate) const PAGE_LIMIT: usize = 32 * 1024 * 1024;

/// The proxy's address and the connections to it.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    url: String,
    answers: reqwest::Client,
    events: reqwest::Client,
}

impl Http {
    pub(crate) fn new(url: &str) -> Result<Self, LightError> {
        let bad = || LightError::BadUrl { url: url.chars().filter(|c| !c.is_control()).take(200).collect() };
        let parsed = reqwest::Url::parse(url.trim()).map_err(|_| bad())?;
        let plain = parsed.has_host()
            && matches!(parsed.scheme(), "http" | "https")
            && parsed.username().is_empty()
            && parsed.password().is_none()
            && parsed.query().is_none()
            && parsed.fragment().is_none();
        if !plain {
            return Err(bad());
        }
        // Nothing but the proxy that the person named is ever contacted: no redirects, no proxies from the environment.
        let client = || {
            reqwest::Client::builder()
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
                .pool_idle_timeout(Duration::from_secs(5))
        };
        let answers = client().timeout(Duration::from_secs(ANSWER_SECONDS)).build().map_err(|_| bad())?;
        let events = client().read_timeout(Duration::from_secs(EVENT_SILENCE_SECONDS)).build().map_err(|_| bad())?;
        Ok(Self { url: parsed.as_str().trim_end_matches('/').to_owned(), answers, events })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The body of a successful answer.
    pub(crate) async fn get(&self, path: &str, what: &'static str, limit: usize) -> Result<Vec<u8>, LightError> {
        self.patiently(|| self.request(Method::GET, path), what, limit).await
    }

    /// Asks again when the proxy says that it was too early: it did nothing with the request then.
    async fn patiently(
        &self,
        request: impl Fn() -> RequestBuilder,
        what: &'static str,
        limit: usize,
    ) -> Result<Vec<u8>, LightError> {
        for _ in 1..ATTEMPTS {
            match self.send(request(), what, limit).await {
                Err(LightError::TooManyRequests { seconds }) if seconds <= PATIENCE_SECONDS => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                }
                answer => return answer,
            }
        }
        self.send(request(), what, limit).await
    }

    pub(crate) async fn get_text(&self, path: &str, what: &'static str) -> Result<String, LightError> {
        let body = self.get(path, what, ANSWER_LIMIT).await?;
        String::from_utf8(body).map_err(|_| LightError::BadAnswer { what })
    }

    pub(crate) async fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        what: &'static str,
        limit: usize,
    ) -> Result<T, LightError> {
        let body = self.get(path, what, limit).await?;
        serde_json::from_slice(&body).map_err(|_| LightError::BadAnswer { what })
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        content_type: &'static str,
        body: String,
        what: &'static str,
    ) -> Result<Vec<u8>, LightError> {
        self.post_for(path, content_type, body, what, ANSWER_LIMIT).await
    }

    /// As [`Self::post`], for an answer of at most `limit` bytes.
    pub(crate) async fn post_for(
        &self,
        path: &str,
        content_type: &'static str,
        body: String,
        what: &'static str,
        limit: usize,
    ) -> Result<Vec<u8>, LightError> {
        let request = || self.request(Method::POST, path).header(CONTENT_TYPE, content_type).body(body.clone());
        self.patiently(request, what, limit).await
    }

    /// Opens the event stream.
    pub(crate) async fn events(&self, path: &str) -> Result<Response, LightError> {
        let request = self.events.get(format!("{}{path}", self.url)).header(ACCEPT, "text/event-stream");
        let response = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), request.send())
            .await
            .map_err(|_| self.timed_out())?
            .map_err(|error| self.lost(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response, "event stream").await) }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.answers.request(method, format!("{}{path}", self.url))
    }

    async fn send(&self, request: RequestBuilder, what: &'static str, limit: usize) -> Result<Vec<u8>, LightError> {
        let response = request.send().await.map_err(|error| self.lost(&error))?;
        if response.status().is_success() {
            self.body(response, limit).await
        } else {
            Err(self.refusal(response, what).await)
        }
    }

    async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, LightError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(&error))? {
            if body.len().saturating_add(chunk.len()) > limit {
                return Err(LightError::AnswerTooLong { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn refusal(&self, response: Response, what: &'static str) -> LightError {
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if status == StatusCode::TOO_MANY_REQUESTS {
            return LightError::TooManyRequests { seconds: wait.unwrap_or(1).clamp(1, LONGEST_WAIT_SECONDS) };
        }
        let body = self.body(response, 64 * 1024).await.unwrap_or_default();
        match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(ErrorBody { error }) if error.code == "proxy/not-found" => LightError::NotFound { what },
            Ok(ErrorBody { error }) => refused(&error.code, error.reject_reason.as_deref()),
            // Another program's answer, perhaps another Esplora server's.
            Err(_) if status == StatusCode::NOT_FOUND => LightError::NotFound { what },
            Err(_) if matches!(status.as_u16(), 502..=504) => refused("proxy/server-away", None),
            Err(_) => LightError::BadAnswer { what },
        }
    }

    /// The error for a connection that failed.
    pub(crate) fn lost(&self, error: &reqwest::Error) -> LightError {
        if error.is_timeout() { self.timed_out() } else { LightError::Unreachable { url: self.url.clone() } }
    }

    fn timed_out(&self) -> LightError {
        LightError::TimedOut { url: self.url.clone(), seconds: ANSWER_SECONDS }
    }
}

#[derive(serde::Deserialize)]
struct ErrorBody {
    error: ErrorFields,
}

#[derive(serde::Deserialize)]
struct ErrorFields {
    code: String,
    reject_reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_addresses_are_taken() {
        for good in ["http://127.0.0.1:7600", "https://proxy.example/", "http://[::1]:7600/base"] {
            assert!(Http::new(good).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:7600", "file:///etc/passwd", "http://a:b@host", "http://host/?x", "http://"] {
            assert!(matches!(Http::new(bad), Err(LightError::BadUrl { .. })), "{bad}");
        }
    }
}
