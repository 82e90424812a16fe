//! The two halves of mutual TLS 1.3.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};

use crate::verifier::{ClientCheck, ServerCheck};
use crate::{Identity, IdentityError, Role, Trust};

/// The only thing spoken over the connection.
const ALPN: &[u8] = b"http/1.1";

/// The server's half of mutual TLS: its configuration, and the role of who came in.
#[derive(Debug, Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    check: Arc<ClientCheck>,
}

impl ServerTls {
    /// The configuration for the acceptor.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// The role of a client whose certificate passed the handshake.
    pub fn role_of(&self, certificate: &CertificateDer<'_>) -> Option<Role> {
        self.check.role_of(certificate)
    }
}

/// Shows our one certificate to everybody.
#[derive(Debug)]
struct Ours(Arc<CertifiedKey>);

impl ResolvesServerCert for Ours {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl ResolvesClientCert for Ours {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Mutual TLS for the base server: whoever shows no certificate that `trust` believes gets no further than the handshake.
///
/// # Errors
///
/// [`IdentityError::NoTrust`]; [`IdentityError::Tls`].
pub fn server_tls(identity: &Identity, trust: &Trust) -> Result<ServerTls, IdentityError> {
    let provider = provider();
    let check = Arc::new(ClientCheck::new(trust, &provider)?);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| setup(identity, &error))?
        .with_client_cert_verifier(check.clone())
        .with_cert_resolver(Arc::new(Ours(identity.certified.clone())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would skip the look at the certificate's dates.
    config.send_tls13_tickets = 0;
    Ok(ServerTls { config: Arc::new(config), check })
}

/// Mutual TLS for a client.
///
/// The server's certificate must be pinned, or come from the authority and carry `server_name`, or the dialled host where
/// that is `None`. A pinned certificate's name counts only when `server_name` is given.
///
/// # Errors
///
/// [`IdentityError::NoTrust`]; [`IdentityError::BadName`]; [`IdentityError::Tls`].
pub fn client_tls(
    identity: &Identity,
    trust: &Trust,
    server_name: Option<&str>,
) -> Result<ClientConfig, IdentityError> {
    let provider = provider();
    let check = ServerCheck::new(trust, server_name, &provider)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| setup(identity, &error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(check))
        .with_client_cert_resolver(Arc::new(Ours(identity.certified.clone())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// Named, not installed: other parts of a program may bring another provider along.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}

fn setup(identity: &Identity, error: &rustls::Error) -> IdentityError {
    IdentityError::Tls { path: identity.path.clone(), reason: error.to_string() }
}
