//! The check of the other side's certificate: pinned ones by equality, all others by the authority's signature.
//!
//! Pinned certificates need a verifier of our own: those that `openssl req -x509` makes are their own authority (CA:TRUE),
//! and webpki takes no authority as an end of a chain.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore, SignatureScheme,
};

use crate::certificate::{common_name, names, parse, subject_role, validity};
use crate::{IdentityError, Role, Trust};

/// A client's certificate of our authority that names no role which may call.
#[derive(Debug, thiserror::Error)]
#[error("its certificate names neither the role proxy nor the role admin")]
pub(crate) struct NoRole;

/// A server's certificate that was pinned but is for another name than `--server-name`.
#[derive(Debug, thiserror::Error)]
#[error("its pinned certificate is not for the name {0}")]
pub(crate) struct OtherName(String);

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

fn roots(trust: &Trust) -> Result<Option<Arc<RootCertStore>>, IdentityError> {
    if trust.authorities.is_empty() {
        return if trust.pinned.is_empty() { Err(IdentityError::NoTrust) } else { Ok(None) };
    }
    let mut store = RootCertStore::empty();
    for authority in &trust.authorities {
        store.add(authority.clone()).map_err(issue)?;
    }
    Ok(Some(Arc::new(store)))
}

fn issue(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Issue { reason: error.to_string() }
}

/// A pinned certificate is believed in its time only.
fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (not_before, not_after) = validity(certificate).ok_or(CertificateError::BadEncoding)?;
    let moment = |timestamp: i64| UnixTime::since_unix_epoch(std::time::Duration::from_secs(timestamp.max(0) as u64));
    if now > moment(not_after) {
        Err(CertificateError::ExpiredContext { time: now, not_after: moment(not_after) }.into())
    } else if now < moment(not_before) {
        Err(CertificateError::NotValidYetContext { time: now, not_before: moment(not_before) }.into())
    } else {
        Ok(())
    }
}

/// Checks servers, for a client.
#[derive(Debug)]
pub(crate) struct ServerCheck {
    trust: Trust,
    by_authority: Option<Arc<WebPkiServerVerifier>>,
    /// The name that the certificate must carry, when it is not the dialled host.
    name: Option<ServerName<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCheck {
    pub(crate) fn new(
        trust: &Trust,
        name: Option<&str>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, IdentityError> {
        let by_authority = match roots(trust)? {
            None => None,
            Some(roots) => {
                Some(WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build().map_err(issue)?)
            }
        };
        let name = match name {
            None => None,
            Some(name) => Some(
                ServerName::try_from(name.to_owned()).map_err(|_| IdentityError::BadName { name: name.to_owned() })?,
            ),
        };
        Ok(Self { trust: trust.clone(), by_authority, name, algorithms: provider.signature_verification_algorithms })
    }

    fn check_pinned_name(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let Some(wanted) = &self.name else { return Ok(()) };
        let wanted = wanted.to_str();
        let certificate = parse(certificate).ok_or(CertificateError::BadEncoding)?;
        let mut carried = names(&certificate);
        if carried.is_empty() {
            // What the openssl command makes has a common name only.
            carried.extend(common_name(&certificate));
        }
        if carried.iter().any(|name| name.eq_ignore_ascii_case(&wanted)) {
            Ok(())
        } else {
            Err(other(OtherName(wanted.into_owned())))
        }
    }
}

impl ServerCertVerifier for ServerCheck {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.trust.pinned_role(end_entity).is_some() {
            check_dates(end_entity, now)?;
            self.check_pinned_name(end_entity)?;
            return Ok(ServerCertVerified::assertion());
        }
        let Some(authority) = &self.by_authority else { return Err(CertificateError::UnknownIssuer.into()) };
        let name = self.name.as_ref().unwrap_or(server_name);
        authority.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Checks clients, for a server. A client without a certificate is always refused.
#[derive(Debug)]
pub(crate) struct ClientCheck {
    trust: Trust,
    by_authority: Option<Arc<dyn ClientCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCheck {
    pub(crate) fn new(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Self, IdentityError> {
        let by_authority = match roots(trust)? {
            None => None,
            Some(roots) => {
                let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
                // No hints: a client with a pinned certificate would find none of its own among them and stay silent.
                Some(builder.clear_root_hint_subjects().build().map_err(issue)?)
            }
        };
        Ok(Self { trust: trust.clone(), by_authority, algorithms: provider.signature_verification_algorithms })
    }

    /// The role of a client whose certificate passed the handshake.
    pub(crate) fn role_of(&self, certificate: &CertificateDer<'_>) -> Option<Role> {
        if let Some(role) = self.trust.pinned_role(certificate) {
            return Some(role);
        }
        self.by_authority.as_ref()?;
        match subject_role(certificate)? {
            Role::Server => None,
            role @ (Role::Proxy | Role::Admin) => Some(role),
        }
    }
}

impl ClientCertVerifier for ClientCheck {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.trust.pinned_role(end_entity).is_some() {
            check_dates(end_entity, now)?;
            return Ok(ClientCertVerified::assertion());
        }
        let Some(authority) = &self.by_authority else { return Err(CertificateError::UnknownIssuer.into()) };
        let verified = authority.verify_client_cert(end_entity, intermediates, now)?;
        if self.role_of(end_entity).is_some() { Ok(verified) } else { Err(other(NoRole)) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
