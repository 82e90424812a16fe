//! Asking a SOCKS5 proxy for a connection.
//!
//! In:    a fresh connection with the proxy; what it should dial.
//! Out:   the same connection, which leads to the peer now; or why it does not.
//! Never: a name looked up here; a length that the proxy names believed.
//!
//! The proxy chooses between no authentication and a name with a password. Those are random for each connection: a proxy
//! such as Tor keeps connections with different ones apart, so that nobody sees that they are of one node.
//!
//! Source: RFC 1928, RFC 1929; Bitcoin Core `Socks5`, netbase.cpp.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::v2::fill;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const NAME_AND_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
/// The version of RFC 1929, which is not SOCKS's.
const PASSWORD_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const DOMAIN: u8 = 3;
const IPV6: u8 = 4;

/// How long the proxy may take from our first byte until the peer is connected (`g_socks5_recv_timeout`, netbase.cpp).
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What the proxy says about a connection that it could not make.
///
/// Source: RFC 1928, section 6; from 240 on those of Tor's extension 304.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    GeneralFailure,
    NotAllowed,
    NetworkUnreachable,
    HostUnreachable,
    ConnectionRefused,
    Expired,
    CommandUnknown,
    AddressTypeUnknown,
    OnionNotFound,
    OnionInvalid,
    OnionIntroductionFailed,
    OnionRendezvousFailed,
    OnionNeedsKey,
    OnionWrongKey,
    OnionBadAddress,
    OnionTimedOut,
    Unassigned(u8),
}

impl Refusal {
    /// What a reply's code means; `None` for success.
    fn of(code: u8) -> Option<Self> {
        Some(match code {
            0 => return None,
            1 => Self::GeneralFailure,
            2 => Self::NotAllowed,
            3 => Self::NetworkUnreachable,
            4 => Self::HostUnreachable,
            5 => Self::ConnectionRefused,
            6 => Self::Expired,
            7 => Self::CommandUnknown,
            8 => Self::AddressTypeUnknown,
            0xf0 => Self::OnionNotFound,
            0xf1 => Self::OnionInvalid,
            0xf2 => Self::OnionIntroductionFailed,
            0xf3 => Self::OnionRendezvousFailed,
            0xf4 => Self::OnionNeedsKey,
            0xf5 => Self::OnionWrongKey,
            0xf6 => Self::OnionBadAddress,
            0xf7 => Self::OnionTimedOut,
            other => Self::Unassigned(other),
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GeneralFailure => "it failed",
            Self::NotAllowed => "its rules do not allow it",
            Self::NetworkUnreachable => "the network cannot be reached",
            Self::HostUnreachable => "the host cannot be reached",
            Self::ConnectionRefused => "the peer refused the connection",
            Self::Expired => "the peer is too far away",
            Self::CommandUnknown => "it makes no connections",
            Self::AddressTypeUnknown => "it does not know this kind of address",
            Self::OnionNotFound => "nobody announces this onion address",
            Self::OnionInvalid => "the announcement of this onion address is invalid",
            Self::OnionIntroductionFailed => "the onion service could not be introduced to",
            Self::OnionRendezvousFailed => "the onion service did not come to the meeting point",
            Self::OnionNeedsKey => "the onion service wants a key",
            Self::OnionWrongKey => "the onion service wants another key",
            Self::OnionBadAddress => "this is no onion address",
            Self::OnionTimedOut => "the onion service did not answer in time",
            Self::Unassigned(code) => return write!(f, "it gives the unknown reason {code}"),
        })
    }
}

/// Why the proxy gave no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Socks5Error {
    /// The target is no host and port that can be asked for.
    #[error("the proxy cannot be asked for such a target")]
    Target,
    /// The operating system has no randomness, or the connection broke.
    #[error("the connection with the proxy failed: {source}")]
    Io {
        #[source]
        source: io::Error,
    },
    /// It closed the connection within an answer.
    #[error("the proxy ended the connection within its answer")]
    Truncated,
    /// It took too long.
    #[error("the proxy did not answer within {} seconds", patience.as_secs())]
    TimedOut { patience: Duration },
    /// It is no SOCKS5 proxy.
    #[error("the proxy answers with version {version}, not 5: it is no SOCKS5 proxy")]
    Version { version: u8 },
    /// It accepts nothing that we offered.
    #[error("the proxy wants another authentication than a random name or none")]
    NoMethod,
    /// It chose what we did not offer.
    #[error("the proxy chose authentication {method}, which was not offered")]
    Method { method: u8 },
    /// It answers in no version of the authentication.
    #[error("the proxy's authentication has version {version}, not 1")]
    PasswordVersion { version: u8 },
    /// It does not take a random name.
    #[error("the proxy refuses a random name with status {status}")]
    Password { status: u8 },
    /// It could not connect with the peer.
    #[error("the proxy cannot connect: {refusal}")]
    Refused { refusal: Refusal },
    /// The byte that must be zero is not.
    #[error("the proxy's answer has {found} where 0 must stand")]
    Reserved { found: u8 },
    /// It names its own address in an unknown form.
    #[error("the proxy names its address as type {found}, which does not exist")]
    AddressType { found: u8 },
}

impl Socks5Error {
    /// Whether the proxy itself is the matter, and not one peer.
    pub(super) const fn blames_proxy(&self) -> bool {
        match self {
            Self::Version { .. }
            | Self::NoMethod
            | Self::Method { .. }
            | Self::PasswordVersion { .. }
            | Self::Password { .. }
            | Self::Reserved { .. }
            | Self::AddressType { .. } => true,
            // Tor closes the connection, or is silent, for a peer that cannot be reached.
            Self::Target | Self::Io { .. } | Self::Truncated | Self::TimedOut { .. } | Self::Refused { .. } => false,
        }
    }
}

impl From<io::Error> for Socks5Error {
    fn from(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io { source },
        }
    }
}

/// Has the proxy behind `stream` connect with `target`, a `host:port`; the bytes after this are the peer's.
///
/// # Errors
///
/// [`Socks5Error`]; the stream is of no use then.
pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    target: &str,
    patience: Duration,
) -> Result<(), Socks5Error> {
    let request = request(target).ok_or(Socks5Error::Target)?;
    tokio::time::timeout(patience, negotiate(stream, &request)).await.map_err(|_| Socks5Error::TimedOut { patience })?
}

/// The request for a connection: a name as a name, an address as an address.
fn request(target: &str) -> Option<Vec<u8>> {
    let mut request = vec![VERSION, CONNECT, 0];
    let port = match target.parse() {
        Ok(SocketAddr::V4(address)) => {
            request.push(IPV4);
            request.extend_from_slice(&address.ip().octets());
            address.port()
        }
        Ok(SocketAddr::V6(address)) => {
            request.push(IPV6);
            request.extend_from_slice(&address.ip().octets());
            address.port()
        }
        Err(_) => {
            let (name, port) = target.rsplit_once(':')?;
            request.extend_from_slice(&[DOMAIN, u8::try_from(name.len()).ok().filter(|length| *length > 0)?]);
            request.extend_from_slice(name.as_bytes());
            port.parse().ok()?
        }
    };
    request.extend_from_slice(&port.to_be_bytes());
    Some(request)
}

async fn negotiate<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: &[u8]) -> Result<(), Socks5Error> {
    stream.write_all(&[VERSION, 2, NO_AUTHENTICATION, NAME_AND_PASSWORD]).await?;
    let [version, method] = read(stream).await?;
    check_version(version)?;
    match method {
        NO_AUTHENTICATION => {}
        NAME_AND_PASSWORD => authenticate(stream).await?,
        NO_METHOD => return Err(Socks5Error::NoMethod),
        method => return Err(Socks5Error::Method { method }),
    }
    stream.write_all(request).await?;
    let [version, reply, reserved, kind] = read(stream).await?;
    check_version(version)?;
    if let Some(refusal) = Refusal::of(reply) {
        return Err(Socks5Error::Refused { refusal });
    }
    if reserved != 0 {
        return Err(Socks5Error::Reserved { found: reserved });
    }
    // Where the proxy dials from is of no use to us; its type alone says how long it is (CVE-2017-18350).
    match kind {
        IPV4 => drop(read::<_, 4>(stream).await?),
        IPV6 => drop(read::<_, 16>(stream).await?),
        DOMAIN => {
            let [length] = read(stream).await?;
            for _ in 0..length {
                let [_letter] = read(stream).await?;
            }
        }
        found => return Err(Socks5Error::AddressType { found }),
    }
    let [_port_high, _port_low] = read(stream).await?;
    Ok(())
}

/// Tells the proxy a random name, and as its password the same.
async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<(), Socks5Error> {
    let mut random = [0; 8];
    fill(&mut random)?;
    let name = format!("{:016x}", u64::from_le_bytes(random));
    let mut message = vec![PASSWORD_VERSION];
    for text in [&name, &name] {
        message.push(text.len() as u8);
        message.extend_from_slice(text.as_bytes());
    }
    stream.write_all(&message).await?;
    match read(stream).await? {
        [PASSWORD_VERSION, 0] => Ok(()),
        [PASSWORD_VERSION, status] => Err(Socks5Error::Password { status }),
        [version, _] => Err(Socks5Error::PasswordVersion { version }),
    }
}

const fn check_version(version: u8) -> Result<(), Socks5Error> {
    if version == VERSION { Ok(()) } else { Err(Socks5Error::Version { version }) }
}

async fn read<S: AsyncRead + Unpin, const N: usize>(stream: &mut S) -> Result<[u8; N], Socks5Error> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::mem::discriminant;

    use super::*;

    /// Our half's outcome, and what it wrote, when the proxy answers with `answer` and then closes the connection.
    async fn answered(target: &str, answer: &[u8]) -> (Result<(), Socks5Error>, Vec<u8>) {
        let (mut ours, mut theirs) = tokio::io::duplex(4_096);
        theirs.write_all(answer).await.expect("there is room");
        theirs.shutdown().await.expect("it stands");
        let outcome = connect(&mut ours, target, PATIENCE).await;
        drop(ours);
        let mut written = Vec::new();
        theirs.read_to_end(&mut written).await.expect("it ended");
        (outcome, written)
    }

    const FROM_IPV4: [u8; 10] = [5, 0, 0, 1, 127, 0, 0, 1, 0, 80];

    #[tokio::test]
    async fn names_go_to_the_proxy_as_names_and_addresses_as_addresses() {
        for (target, asked) in [
            ("node.example:7602", [&[3, 12][..], b"node.example", &[0x1d, 0xb2]].concat()),
            ("192.0.2.7:80", vec![1, 192, 0, 2, 7, 0, 80]),
            ("[2001:db8::1]:256", [&[4, 0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1, 1, 0]].concat()),
        ] {
            let (outcome, written) = answered(target, &[&[5, 0][..], &FROM_IPV4].concat()).await;
            assert!(outcome.is_ok(), "{target}: {outcome:?}");
            assert_eq!(written, [&[5, 2, 0, 2, 5, 1, 0][..], &asked].concat(), "{target}");
        }
        let longest = format!("{}:1", "a".repeat(255));
        assert!(answered(&longest, &[&[5, 0][..], &FROM_IPV4].concat()).await.0.is_ok());
        for bad in [format!("a{longest}"), ":1".to_owned(), "a".to_owned(), "a:65536".to_owned()] {
            let (outcome, written) = answered(&bad, &[]).await;
            assert!(matches!(outcome, Err(Socks5Error::Target)) && written.is_empty(), "{bad}");
        }
    }

    #[tokio::test]
    async fn each_address_that_the_proxy_can_name_is_read_to_its_end() {
        for address in [
            [&[1][..], &[9; 4], &[0, 1]].concat(),
            [&[4][..], &[9; 16], &[0, 1]].concat(),
            vec![3, 0, 0, 1],
            [&[3, 255][..], &[9; 255], &[0, 1]].concat(),
        ] {
            let whole = [&[5, 0, 5, 0, 0][..], &address].concat();
            let (mut ours, mut theirs) = tokio::io::duplex(4_096);
            theirs.write_all(&[&whole[..], b"peer"].concat()).await.expect("there is room");
            connect(&mut ours, "a:1", PATIENCE).await.expect("a good answer");
            let mut rest = [0; 4];
            ours.read_exact(&mut rest).await.expect("the peer's bytes are left");
            assert_eq!(&rest, b"peer");
            for length in 0..whole.len() {
                let (outcome, _) = answered("a:1", &whole[..length]).await;
                assert!(matches!(outcome, Err(Socks5Error::Truncated)), "{length} of {whole:?}: {outcome:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_proxy_that_wants_a_name_gets_a_random_one() {
        let mut names = Vec::new();
        for _ in 0..2 {
            let (outcome, written) = answered("a:1", &[&[5, 2, 1, 0][..], &FROM_IPV4].concat()).await;
            assert!(outcome.is_ok(), "{outcome:?}");
            assert_eq!((written[4], written[5], written[22]), (1, 16, 16));
            assert_eq!(written[6..22], written[23..39]);
            assert_eq!(written[39..], [5, 1, 0, 3, 1, b'a', 0, 1]);
            names.push(written[6..22].to_vec());
        }
        assert_ne!(names[0], names[1]);
    }

    #[tokio::test]
    async fn every_wrong_answer_is_named() {
        for (answer, error) in [
            (&[4, 0][..], Socks5Error::Version { version: 4 }),
            (b"HTTP/1.1 400 Bad Request\r\n", Socks5Error::Version { version: b'H' }),
            (&[5, 0xff], Socks5Error::NoMethod),
            (&[5, 1], Socks5Error::Method { method: 1 }),
            (&[5, 2, 5, 0], Socks5Error::PasswordVersion { version: 5 }),
            (&[5, 2, 1, 1], Socks5Error::Password { status: 1 }),
            (&[5, 0, 4, 0, 0, 1], Socks5Error::Version { version: 4 }),
            (&[5, 0, 5, 0, 1, 1], Socks5Error::Reserved { found: 1 }),
            (&[5, 0, 5, 0, 0, 0], Socks5Error::AddressType { found: 0 }),
            (&[5, 0, 5, 0, 0, 2], Socks5Error::AddressType { found: 2 }),
            (&[5, 0, 5, 0, 0, 255], Socks5Error::AddressType { found: 255 }),
        ] {
            let (outcome, _) = answered("a:1", answer).await;
            let found = outcome.expect_err("a wrong answer");
            assert_eq!(found.to_string(), error.to_string(), "{answer:?}");
            assert!(found.blames_proxy() && discriminant(&found) == discriminant(&error));
        }
    }

    #[tokio::test]
    async fn every_code_of_a_reply_has_its_own_name() {
        let mut sentences = std::collections::BTreeSet::new();
        for code in 1..=255 {
            let (outcome, _) = answered("a:1", &[5, 0, 5, code, 0, 1]).await;
            let error = outcome.expect_err("a refusal");
            let Socks5Error::Refused { refusal } = error else { panic!("{code}: {error:?}") };
            let is_assigned = matches!(code, 1..=8 | 0xf0..=0xf7);
            assert_eq!(refusal == Refusal::Unassigned(code), !is_assigned, "{code}");
            assert!(!error.blames_proxy() && sentences.insert(error.to_string()), "{code}: {error}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_is_silent_or_slow_is_given_up() {
        for answer in [&[][..], &[5], &[5, 0, 5, 0, 0, 3, 200, 1, 1]] {
            let (mut ours, mut theirs) = tokio::io::duplex(4_096);
            theirs.write_all(answer).await.expect("there is room");
            let outcome = connect(&mut ours, "a:1", Duration::from_millis(30)).await;
            assert!(matches!(outcome, Err(Socks5Error::TimedOut { .. })), "{outcome:?}");
        }
    }
}
