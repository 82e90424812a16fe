//! The one string by which others join a coin: `NAME@HOST:PORT/HASH`.

use std::fmt;
use std::str::FromStr;

use bitcoin::hashes::sha256;

/// The longest string that is read.
const LENGTH_MAX: usize = 512;

/// What it takes to join a coin: where its spec is offered, and by which it is known to be the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The network's name.
    pub name: String,
    /// The proxy that offers the spec: `host:port`, or a URL.
    pub proxy: String,
    /// The coin's hash ([`crate::Network::spec_hash`]).
    pub hash: sha256::Hash,
}

/// Why a string is no invitation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// It has not the form.
    #[error("“{text}” is no string to join a coin by; it looks like NAME@HOST:PORT/HASH")]
    Form {
        /// What was given, shortened.
        text: String,
    },
    /// Its hash is damaged.
    #[error("the hash at the end of the string has not 64 hexadecimal digits: some are missing or wrong")]
    Hash,
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.name, self.proxy, self.hash)
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let text = text.trim();
        let form = || InvitationError::Form { text: text.chars().filter(|c| !c.is_control()).take(100).collect() };
        if text.len() > LENGTH_MAX {
            return Err(form());
        }
        let (name, rest) = text.split_once('@').ok_or_else(form)?;
        let (proxy, hash) = rest.rsplit_once('/').ok_or_else(form)?;
        let is_name =
            !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
        let is_proxy = !proxy.is_empty() && !proxy.contains('@') && proxy.bytes().all(|c| c.is_ascii_graphic());
        if !is_name || !is_proxy {
            return Err(form());
        }
        let hash = hash.parse().map_err(|_| InvitationError::Hash)?;
        Ok(Self { name: name.to_owned(), proxy: proxy.to_owned(), hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;

    #[test]
    fn an_invitation_reads_back() {
        for proxy in ["192.0.2.7:7600", "[2001:db8::1]:7600", "https://coin.example/base"] {
            let invitation =
                Invitation { name: "my-coin".into(), proxy: proxy.to_owned(), hash: Network::demo().spec_hash() };
            assert_eq!(format!(" {invitation}\n").parse(), Ok(invitation));
        }
    }

    #[test]
    fn what_is_no_invitation_is_refused() {
        let hash = "ab".repeat(32);
        for bad in [
            String::new(),
            "demo".to_owned(),
            "127.0.0.1:7600".to_owned(),
            "demo@127.0.0.1:7600".to_owned(),
            format!("@a:1/{hash}"),
            format!("../x@a:1/{hash}"),
            format!("Demo@a:1/{hash}"),
            format!("demo@/{hash}"),
            format!("demo@a b:1/{hash}"),
            format!("demo@u@a:1/{hash}"),
            format!("demo@{}/{hash}", "a".repeat(LENGTH_MAX)),
        ] {
            assert!(matches!(bad.parse::<Invitation>(), Err(InvitationError::Form { .. })), "{bad}");
        }
        for damaged in ["", &hash[1..], &format!("{hash}0"), &hash.replace('a', "g")] {
            assert_eq!(format!("demo@a:1/{damaged}").parse::<Invitation>(), Err(InvitationError::Hash), "{damaged}");
        }
    }
}
