//! Reading certificates: what one says about its owner and its time.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use time::macros::format_description;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Version};

use crate::{IdentityError, Role};

/// What a certificate says, for showing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Whom it names.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The role that its subject names, when there is one.
    pub role: Option<Role>,
    /// The host names and addresses that it is for.
    pub names: Vec<String>,
    /// Its first moment.
    pub not_before: String,
    /// Its last moment.
    pub not_after: String,
    /// SHA-256 over its DER form, in hexadecimal.
    pub fingerprint: String,
}

impl CertificateInfo {
    /// Reads the first certificate of a PEM file.
    ///
    /// # Errors
    ///
    /// [`IdentityError::BadCertificate`].
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        let chain = read_chain(path)?;
        let bad = || IdentityError::BadCertificate { path: path.to_owned(), reason: "it is not whole".to_owned() };
        let der = chain.first().ok_or_else(bad)?;
        let certificate = parse(der).ok_or_else(bad)?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        Ok(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            role: subject_role(der),
            names: names(&certificate),
            not_before: show_time(certificate.validity().not_before.timestamp()),
            not_after: show_time(certificate.validity().not_after.timestamp()),
            fingerprint: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }
}

/// All certificates of a PEM file, the owner's first.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let bad = |reason: String| IdentityError::BadCertificate { path: path.to_owned(), reason };
    // A certificate is public: no permissions are asked of it, and a link to it is fine.
    let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| bad("its PEM form is damaged".to_owned()))?;
    let Some(first) = chain.first() else { return Err(bad("it holds no certificate in PEM form".to_owned())) };
    match parse(first) {
        None => Err(bad("its content is damaged".to_owned())),
        // webpki reads no others, so a handshake with it could never succeed.
        Some(certificate) if certificate.version() != X509Version::V3 => {
            Err(bad(format!("it is of version {}, not 3", certificate.version().0 + 1)))
        }
        Some(_) => Ok(chain),
    }
}

pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate)
}

/// The moments, in seconds since 1970, from and to which a certificate is valid.
pub(crate) fn validity(der: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let certificate = parse(der)?;
    Some((certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp()))
}

/// The role that a subject names: its one organizational unit.
pub(crate) fn subject_role(der: &CertificateDer<'_>) -> Option<Role> {
    let certificate = parse(der)?;
    let mut units = certificate.subject().iter_organizational_unit();
    let unit = units.next()?;
    // Two units would leave open which one counts.
    if units.next().is_some() { None } else { Role::from_name(unit.as_str().ok()?) }
}

/// The subject's common name.
pub(crate) fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let name = certificate.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}

/// The host names and addresses of a certificate.
pub(crate) fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(show_name).collect()
}

fn show_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| std::net::IpAddr::from(octets).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|octets| std::net::IpAddr::from(octets).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Refuses a certificate whose time is over or has not come, naming its file and the date.
pub(crate) fn check_time(path: &Path, der: &CertificateDer<'_>) -> Result<(), IdentityError> {
    let Some((not_before, not_after)) = validity(der) else {
        return Err(IdentityError::BadCertificate {
            path: path.to_owned(),
            reason: "its content is damaged".to_owned(),
        });
    };
    let now = now();
    if now > not_after {
        Err(IdentityError::Expired { path: path.to_owned(), date: show_time(not_after) })
    } else if now < not_before {
        Err(IdentityError::NotYetValid { path: path.to_owned(), date: show_time(not_before) })
    } else {
        Ok(())
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs().try_into().unwrap_or(i64::MAX))
}

/// A moment as people read it.
pub(crate) fn show_time(timestamp: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(timestamp)
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| format!("{timestamp} s after 1970"))
}
