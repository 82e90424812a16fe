//! Certificates, key passwords, mutual TLS, roles.
//!
//! In:    a folder of certificates, or certificate and key files made by hand; the password of the keys.
//! Out:   ready-made TLS configurations that let in whom they should, and the [`Role`] of who came in.
//! Never: an unencrypted key on disk, a password in a log, sockets, a look at what is said over the connection.
//!
//! Start at [`CertFolder::ensure`], then [`Identity::load`], [`server_tls`] and [`client_tls`].

mod certificate;
mod error;
mod explain;
mod folder;
mod identity;
mod issue;
mod key_file;
mod password;
mod role;
mod tls;
mod trust;
mod verifier;

pub use certificate::CertificateInfo;
pub use error::IdentityError;
pub use explain::{TlsFault, explain};
pub use folder::{CertFolder, CertPaths, EnsureReport};
pub use identity::Identity;
pub use password::KeyPassword;
pub use role::Role;
pub use rustls::pki_types::CertificateDer;
pub use tls::{ServerTls, client_tls, server_tls};
pub use trust::Trust;
