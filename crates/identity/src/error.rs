//! Everything that can be wrong with certificates and keys.

use std::path::PathBuf;

use mycoin_files::FilesError;

/// Why certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A password of no characters.
    #[error("the password is empty")]
    EmptyPassword,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// The password does not open the key.
    #[error("the password does not open the key {path}", path = path.display())]
    WrongPassword {
        /// The key's file.
        path: PathBuf,
    },
    /// The key's file is not whole.
    #[error("the key file {path} is damaged: {reason}", path = path.display())]
    DamagedKey {
        /// The key's file.
        path: PathBuf,
        /// What was seen.
        reason: &'static str,
    },
    /// Anybody who gets the file has the key.
    #[error("the key {path} is not encrypted with a password", path = path.display())]
    UnencryptedKey {
        /// The key's file.
        path: PathBuf,
    },
    /// The key is encrypted in a way that is not taken.
    #[error("the key {path} is encrypted in a way that is not supported: {reason}", path = path.display())]
    UnsupportedKey {
        /// The key's file.
        path: PathBuf,
        /// Which way.
        reason: String,
    },
    /// The file holds no certificate.
    #[error("the certificate {path} cannot be read: {reason}", path = path.display())]
    BadCertificate {
        /// The certificate's file.
        path: PathBuf,
        /// What was seen.
        reason: String,
    },
    /// The certificate's time is over.
    #[error("the certificate {path} expired on {date}", path = path.display())]
    Expired {
        /// The certificate's file.
        path: PathBuf,
        /// Its last moment.
        date: String,
    },
    /// The certificate's time has not come.
    #[error("the certificate {path} is valid only from {date} on", path = path.display())]
    NotYetValid {
        /// The certificate's file.
        path: PathBuf,
        /// Its first moment.
        date: String,
    },
    /// Certificate and key do not belong together.
    #[error("the key {key} does not belong to the certificate {certificate}", key = key.display(), certificate = certificate.display())]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate stands there, its key does not.
    #[error("the certificate {certificate} is there, but its key {key} is missing", key = key.display(), certificate = certificate.display())]
    KeyMissing {
        /// The certificate's file.
        certificate: PathBuf,
        /// Where the key should be.
        key: PathBuf,
    },
    /// A name that no certificate can carry.
    #[error("{name:?} is neither a host name nor an IP address")]
    BadName {
        /// The name.
        name: String,
    },
    /// Nobody would be believed.
    #[error("neither an authority nor a pinned certificate says whom to trust")]
    NoTrust,
    /// Making a certificate failed.
    #[error("cannot make a certificate: {reason}")]
    Issue {
        /// The library's words.
        reason: String,
    },
    /// Setting up TLS failed.
    #[error("cannot set up TLS with the certificate {path}: {reason}", path = path.display())]
    Tls {
        /// The certificate's file.
        path: PathBuf,
        /// The library's words.
        reason: String,
    },
    /// A file or folder failed.
    #[error(transparent)]
    Files(#[from] FilesError),
}

impl IdentityError {
    /// The catalogue's stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EmptyPassword => "identity/empty-password",
            Self::NoRandomness => "identity/no-randomness",
            Self::WrongPassword { .. } => "identity/wrong-password",
            Self::DamagedKey { .. } => "identity/damaged-key",
            Self::UnencryptedKey { .. } => "identity/unencrypted-key",
            Self::UnsupportedKey { .. } => "identity/unsupported-key",
            Self::BadCertificate { .. } => "identity/bad-certificate",
            Self::Expired { .. } => "identity/expired",
            Self::NotYetValid { .. } => "identity/not-yet-valid",
            Self::KeyMismatch { .. } => "identity/key-mismatch",
            Self::KeyMissing { .. } => "identity/key-missing",
            Self::BadName { .. } => "identity/bad-name",
            Self::NoTrust => "identity/no-trust",
            Self::Issue { .. } => "identity/issue",
            Self::Tls { .. } => "identity/tls",
            Self::Files(error) => error.code(),
        }
    }

    /// One sentence that says what to do next; empty where the error's own sentence says it.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::EmptyPassword => "Choose a password of at least one character.",
            Self::WrongPassword { .. } => "Try again; the password is the one given when the certificates were made.",
            Self::DamagedKey { .. } => {
                "Restore it from a backup, or remove it and its certificate; a new pair is made at the next start."
            }
            Self::UnencryptedKey { .. } => "Encrypt it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW-KEY.",
            Self::UnsupportedKey { .. } => {
                "Encrypt it anew: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW-KEY."
            }
            Self::BadCertificate { .. } => {
                "Give a certificate in PEM form, as openssl and `mycoin certs new` write it."
            }
            Self::Expired { .. } => {
                "Remove the certificate, keep its key, and run `mycoin certs new`; or make a new one by hand."
            }
            Self::NotYetValid { .. } => "Check this machine's clock.",
            Self::KeyMismatch { .. } => "Give the key that the certificate was made with.",
            Self::KeyMissing { .. } => {
                "Restore the key, or remove the certificate; a new pair is made at the next start."
            }
            Self::BadName { .. } => "Give names such as server.example.org or 192.0.2.7.",
            Self::NoTrust => "Give the other side's certificate with --pin FILE, or run `mycoin certs new`.",
            Self::NoRandomness | Self::Issue { .. } | Self::Tls { .. } | Self::Files(_) => "",
        }
    }
}
