//! Who we are: a certificate and its unlocked key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::certificate::{check_time, read_chain};
use crate::{IdentityError, KeyPassword, key_file};

/// A certificate, with those of its issuers that the file holds, and its unlocked key.
#[derive(Clone)]
pub struct Identity {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) path: PathBuf,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Identity {
    /// Loads a certificate and unlocks its key.
    ///
    /// # Errors
    ///
    /// Tells apart: a wrong password, a damaged key, one that is not encrypted or that others can read, a certificate that
    /// is not valid now, and a key of another certificate.
    pub fn load(certificate: &Path, key: &Path, password: &KeyPassword) -> Result<Self, IdentityError> {
        let chain = read_chain(certificate)?;
        if let Some(own) = chain.first() {
            check_time(certificate, own)?;
        }
        let mut unlocked = key_file::read(key, password)?;
        // Moved, not copied, into rustls, which wipes it.
        let unlocked = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(std::mem::take(&mut *unlocked)));
        let certified = CertifiedKey::from_der(chain, unlocked, &default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                IdentityError::KeyMismatch { certificate: certificate.to_owned(), key: key.to_owned() }
            }
            other => IdentityError::Tls { path: certificate.to_owned(), reason: other.to_string() },
        })?;
        Ok(Self { certified: Arc::new(certified), path: certificate.to_owned() })
    }

    /// Our certificate.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }
}
