//! Certificates, key passwords, mutual TLS, roles.
//!
//! In:    a folder of certificates, or certificate and key files made by hand; the password of the keys.
//! Out:   ready-made TLS configurations that let in whom they should, and the [`Role`] of who came in.
//! Never: an unencrypted key on disk, a password in a log, sockets, a look at what is said over the connection.
//!
//! Start at [`CertFolder::ensure`], then [`Identity::load`], [`server_tls`] and [`client_tls`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

pub use rustls::pki_types::CertificateDer;

/// Skeleton.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The base server itself.
    Server,
    /// Reads and submits.
    Proxy,
    /// May do everything.
    Admin,
}

/// The password that keys are encrypted with. Wiped from memory when dropped; never printed.
pub struct KeyPassword(#[allow(dead_code)] Zeroizing<String>);

impl KeyPassword {
    /// Takes a password.
    ///
    /// # Errors
    ///
    /// [`IdentityError::EmptyPassword`].
    pub fn new(_text: Zeroizing<String>) -> Result<Self, IdentityError> {
        todo!()
    }

    /// A new random one (64 hexadecimal digits).
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn random() -> Result<Self, IdentityError> {
        todo!()
    }

    /// The password's text, for storing a random one in a file that only its owner can read.
    pub fn expose(&self) -> &str {
        todo!()
    }
}

/// Where a certificate and its key stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertPaths {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its encrypted key, PEM.
    pub key: PathBuf,
}

/// What [`CertFolder::ensure`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnsureReport {
    /// The files that were made.
    pub made: Vec<PathBuf>,
    /// Asked names that the server's certificate, made before, does not carry.
    pub missing_names: Vec<String>,
}

/// The folder `certs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFolder(#[allow(dead_code)] PathBuf);

impl CertFolder {
    /// The folder `certs` in a network's folder.
    pub fn at(_network_dir: &Path) -> Self {
        todo!()
    }
    /// Makes what is missing.
    ///
    /// # Errors
    ///
    /// Many.
    pub fn ensure(&self, _password: &KeyPassword, _names: &[String]) -> Result<EnsureReport, IdentityError> {
        todo!()
    }
    /// Paths of a role's files.
    pub fn paths(&self, _role: Role) -> CertPaths {
        todo!()
    }
    /// The CA's certificate.
    pub fn authority(&self) -> PathBuf {
        todo!()
    }
    /// Loads a role's identity.
    ///
    /// # Errors
    ///
    /// As [`Identity::load`].
    pub fn load(&self, _role: Role, _password: &KeyPassword) -> Result<Identity, IdentityError> {
        todo!()
    }
}

/// A certificate and its unlocked key.
pub struct Identity {}

impl Identity {
    /// Loads and unlocks.
    ///
    /// # Errors
    ///
    /// Many.
    pub fn load(_certificate: &Path, _key: &Path, _password: &KeyPassword) -> Result<Self, IdentityError> {
        todo!()
    }
}

/// Whom to believe: an authority, pinned certificates, or both.
#[derive(Debug, Clone, Default)]
pub struct Trust {}

impl Trust {
    /// Certificates issued by the authority whose certificate stands in `path`.
    ///
    /// # Errors
    ///
    /// Many.
    pub fn authority(_path: &Path) -> Result<Self, IdentityError> {
        todo!()
    }
    /// Exactly the certificate in `path`; who shows it has the role `role`.
    ///
    /// # Errors
    ///
    /// Many.
    pub fn pinned(_path: &Path, _role: Role) -> Result<Self, IdentityError> {
        todo!()
    }
    /// Both this and that.
    #[must_use]
    pub fn and(self, _other: Self) -> Self {
        todo!()
    }
}

/// The server's half of mutual TLS.
#[derive(Debug, Clone)]
pub struct ServerTls {}

impl ServerTls {
    /// For `tokio_rustls`.
    pub fn config(&self) -> Arc<rustls::ServerConfig> {
        todo!()
    }
    /// The role of a peer, by the certificate that it showed.
    pub fn role_of(&self, _certificate: &CertificateDer<'_>) -> Option<Role> {
        todo!()
    }
}

/// Mutual TLS for the base server.
///
/// # Errors
///
/// Many.
pub fn server_tls(_identity: &Identity, _trust: &Trust) -> Result<ServerTls, IdentityError> {
    todo!()
}

/// Mutual TLS for a client. `server_name` overrides the name that the certificate must carry (otherwise the dialled host).
///
/// # Errors
///
/// Many.
pub fn client_tls(
    _identity: &Identity,
    _trust: &Trust,
    _server_name: Option<&str>,
) -> Result<rustls::ClientConfig, IdentityError> {
    todo!()
}

/// Errors.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Skeleton.
    #[error("the password is empty")]
    EmptyPassword,
    /// Skeleton.
    #[error("the password does not open {path}", path = path.display())]
    WrongPassword {
        /// The key file.
        path: PathBuf,
    },
    /// Files.
    #[error(transparent)]
    Files(#[from] mycoin_files::FilesError),
}

impl IdentityError {
    /// The catalogue's stable code.
    pub const fn code(&self) -> &'static str {
        ""
    }
    /// What to do next.
    pub const fn next_step(&self) -> &'static str {
        ""
    }
}
