//! What a proxy says its coin is, before anything about the coin is known.
//!
//! In:    a proxy's URL.
//! Out:   a network whose every field was checked, and the peer by which it is reached.
//! Never: trust: whoever asks shows the coin's hash, or compares it with the one that was told on another way.

use std::net::{IpAddr, SocketAddr};

use mycoin_primitives::{Network, SPEC_LIMIT};
use serde::Deserialize;

use crate::error::LightError;
use crate::http::Http;

/// The longest answer: a spec file as JSON, with quotation marks and ends of lines escaped.
const OFFER_LIMIT: usize = 2 * SPEC_LIMIT;

/// A coin that a proxy offers to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkOffer {
    /// The coin.
    pub network: Network,
    /// Where its server listens for peers, as `host:port`; `None` when that cannot be reached from where the proxy was asked.
    pub peer: Option<String>,
}

#[derive(Deserialize)]
struct OfferJson {
    spec: String,
    listening: Option<SocketAddr>,
}

/// Asks the proxy at `url` what its coin is.
///
/// # Errors
///
/// [`LightError::BadSpec`] when that is no coin, or why asking failed.
pub async fn offered_network(url: &str) -> Result<NetworkOffer, LightError> {
    let http = Http::new(url)?;
    let offer: OfferJson = http.get_json("/network", "coin", OFFER_LIMIT).await?;
    let network =
        Network::from_toml(&offer.spec).map_err(|error| LightError::BadSpec { reason: plain(&error.to_string()) })?;
    let host = reqwest::Url::parse(http.url()).ok().and_then(|url| url.host_str().map(str::to_owned));
    let peer = offer.listening.zip(host).and_then(|(listening, host)| reachable(listening, &host));
    Ok(NetworkOffer { network, peer })
}

/// What to dial for a server that listens at `listening`, on the machine of the proxy `host` as far as we know.
fn reachable(listening: SocketAddr, host: &str) -> Option<String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match listening.ip() {
        ip if ip.is_unspecified() => Some(format!("{host}:{}", listening.port())),
        ip if ip.is_loopback() && !is_here => None,
        _ => Some(listening.to_string()),
    }
}

/// One line without anything that a terminal would take for an order: the words hold parts of what the proxy sent.
fn plain(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.filter(|c| c.is_alphanumeric() || c.is_ascii() || "“”…×".contains(*c)).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_told_where_it_can_be_reached() {
        for (listening, host, peer) in [
            ("0.0.0.0:7602", "192.0.2.7", Some("192.0.2.7:7602")),
            ("[::]:7602", "[2001:db8::1]", Some("[2001:db8::1]:7602")),
            ("0.0.0.0:7602", "coin.example", Some("coin.example:7602")),
            ("198.51.100.9:1", "coin.example", Some("198.51.100.9:1")),
            ("127.0.0.1:5", "127.0.0.1", Some("127.0.0.1:5")),
            ("127.0.0.1:5", "localhost", Some("127.0.0.1:5")),
            ("127.0.0.1:5", "192.0.2.7", None),
        ] {
            let listening = listening.parse().expect("an address");
            assert_eq!(reachable(listening, host).as_deref(), peer, "{listening} at {host}");
        }
    }

    #[test]
    fn what_a_proxy_sent_gives_no_orders_to_a_terminal() {
        assert_eq!(plain("a\u{1b}[31m“b”\n\u{202e}c"), "a [31m“b” c");
        assert_eq!(plain(&"x".repeat(1_000)).len(), 300);
    }
}
