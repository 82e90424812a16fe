//! What people write for a peer, made into `host:port`.

use std::net::{IpAddr, SocketAddr};

use super::P2pError;

/// `host:port` of `text`; `port` where it names none. Names are looked up when they are dialled.
pub(super) fn normalise(text: &str, port: u16) -> Result<String, P2pError> {
    let trimmed = text.trim();
    let bare = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(trimmed);
    if let Ok(address) = trimmed.parse::<SocketAddr>()
        && address.port() != 0
    {
        return Ok(address.to_string());
    }
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port).to_string());
    }
    let (host, port) = match trimmed.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)),
        None => (trimmed, Some(port)),
    };
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    match port {
        Some(port) if is_name => Ok(format!("{host}:{port}")),
        _ => Err(P2pError::BadAddress { text: text.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_get_the_networks_port_when_they_name_none() {
        for (text, wanted) in [
            ("127.0.0.1:5", "127.0.0.1:5"),
            (" 127.0.0.1 ", "127.0.0.1:7602"),
            ("::1", "[::1]:7602"),
            ("[::1]", "[::1]:7602"),
            ("[::1]:9", "[::1]:9"),
            ("node.example.org", "node.example.org:7602"),
            ("localhost:1", "localhost:1"),
        ] {
            assert_eq!(normalise(text, 7602).ok().as_deref(), Some(wanted));
        }
        for bad in ["", " ", ":1", "a b:1", "host:", "host:0", "host:65536", "1.2.3.4:0", "host:1:2", "http://a:1"] {
            assert!(matches!(normalise(bad, 7602), Err(P2pError::BadAddress { .. })), "{bad}");
        }
    }
}
