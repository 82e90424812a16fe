//! Making certificates: the authority, and what it issues to each role.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use rustls::pki_types::ServerName;
use time::{Duration, OffsetDateTime};

use crate::{IdentityError, Role};

const AUTHORITY_DAYS: i64 = 3653;
const LEAF_DAYS: i64 = 730;
/// The names that every server's certificate carries.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

pub(crate) fn failed(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Issue { reason: error.to_string() }
}

fn random<const N: usize>() -> Result<[u8; N], IdentityError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| IdentityError::NoRandomness)?;
    Ok(bytes)
}

/// What all our certificates share.
fn params(common_name: &str, names: Vec<String>, days: i64) -> Result<CertificateParams, IdentityError> {
    let mut params = CertificateParams::new(names).map_err(failed)?;
    let now = OffsetDateTime::now_utc();
    // Room for machines whose clocks differ.
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(days);
    let mut serial = random::<16>()?;
    // A positive number of full length (RFC 5280 §4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "MyCoin");
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}

/// A new authority's certificate, PEM: it may sign certificates that sign no others.
pub(crate) fn authority(key: &KeyPair) -> Result<String, IdentityError> {
    // A random part in the name, so that a certificate of another authority is seen as such and not as a wrong signature.
    let mark: String = random::<4>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut params = params(&format!("MyCoin authority {mark}"), Vec::new(), AUTHORITY_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params.self_signed(key).map_err(failed)?.pem())
}

/// A certificate for a role, PEM. The role stands in the subject as its organizational unit.
pub(crate) fn leaf(
    role: Role,
    key: &KeyPair,
    issuer: &Issuer<'_, KeyPair>,
    names: &[String],
) -> Result<String, IdentityError> {
    let names = match role {
        Role::Server => server_names(names),
        Role::Proxy | Role::Admin => Vec::new(),
    };
    let mut params = params(&format!("MyCoin {role}"), names, LEAF_DAYS)?;
    params.distinguished_name.push(DnType::OrganizationalUnitName, role.name());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match role {
        Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Role::Proxy | Role::Admin => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    params.use_authority_key_identifier_extension = true;
    Ok(params.signed_by(key, issuer).map_err(failed)?.pem())
}

/// Refuses names that no certificate can carry.
pub(crate) fn check_names(names: &[String]) -> Result<(), IdentityError> {
    match names.iter().find(|name| ServerName::try_from(name.as_str()).is_err()) {
        Some(name) => Err(IdentityError::BadName { name: name.clone() }),
        None => Ok(()),
    }
}

fn server_names(names: &[String]) -> Vec<String> {
    let mut all: Vec<String> = LOCAL_NAMES.map(str::to_owned).to_vec();
    for name in names {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}
