//! TLS failures in words.

use rustls::{AlertDescription, CertificateError, Error};

use crate::certificate::show_time;

/// Who ended a handshake, and why, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFault {
    /// We do not take what the other side showed.
    WeRefuse(String),
    /// The other side does not take what we showed.
    TheyRefuse(String),
}

/// Says in words why TLS failed, and which side ended it.
pub fn explain(error: &Error) -> TlsFault {
    match error {
        Error::NoCertificatesPresented => TlsFault::WeRefuse("it showed no certificate".to_owned()),
        Error::InvalidCertificate(error) => TlsFault::WeRefuse(explain_certificate(error)),
        Error::InvalidMessage(_) => TlsFault::WeRefuse("it does not speak TLS".to_owned()),
        Error::PeerIncompatible(reason) => {
            TlsFault::WeRefuse(format!("it does not speak TLS 1.3 as we do ({reason:?})"))
        }
        Error::AlertReceived(alert) => TlsFault::TheyRefuse(explain_alert(*alert)),
        other => TlsFault::WeRefuse(other.to_string()),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    let moment = |time: &rustls::pki_types::UnixTime| show_time(time.as_secs().try_into().unwrap_or(i64::MAX));
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate expired on {}", moment(not_after))
        }
        CertificateError::Expired => "its certificate has expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its certificate is valid only from {} on", moment(not_before))
        }
        CertificateError::NotValidYet => "its certificate is not valid yet".to_owned(),
        CertificateError::UnknownIssuer => {
            "its certificate is neither pinned here nor issued by the authority that is trusted here".to_owned()
        }
        CertificateError::BadSignature => "its certificate carries a wrong signature".to_owned(),
        CertificateError::NotValidForName => "its certificate is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("its certificate is for {}, not for {}", presented.join(", "), expected.to_str())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is made for another use".to_owned()
        }
        CertificateError::Other(error) => error.0.to_string(),
        other => format!("its certificate is not valid ({other})"),
    }
}

fn explain_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => "it wants a certificate, and we showed none".to_owned(),
        AlertDescription::CertificateExpired => {
            "it says that our certificate has expired or is not valid yet".to_owned()
        }
        AlertDescription::UnknownCA => {
            "our certificate is neither pinned there nor issued by the authority that is trusted there".to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => "it does not accept our certificate".to_owned(),
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.3".to_owned(),
        other => format!("it ended the connection ({other:?})"),
    }
}
