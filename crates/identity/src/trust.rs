//! Whom we believe.

use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use rustls::pki_types::CertificateDer;

use crate::certificate::{check_time, read_chain};
use crate::{IdentityError, Role};

/// Whom to believe: an authority, pinned certificates, or both.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    pub(crate) pinned: Vec<(CertificateDer<'static>, Role)>,
}

impl Trust {
    /// Believes certificates that the authority of this certificate file issued, for the use and the names that they say.
    ///
    /// # Errors
    ///
    /// [`IdentityError::BadCertificate`], [`IdentityError::Expired`].
    pub fn authority(path: &Path) -> Result<Self, IdentityError> {
        let chain = read_chain(path)?;
        chain.iter().try_for_each(|certificate| check_time(path, certificate))?;
        Ok(Self { authorities: chain, pinned: Vec::new() })
    }

    /// Believes exactly the certificate in this file, whatever it says about itself; who shows it has the role `role`.
    ///
    /// # Errors
    ///
    /// [`IdentityError::BadCertificate`], [`IdentityError::Expired`].
    pub fn pinned(path: &Path, role: Role) -> Result<Self, IdentityError> {
        let mut chain = read_chain(path)?;
        chain.truncate(1);
        chain.iter().try_for_each(|certificate| check_time(path, certificate))?;
        Ok(Self { authorities: Vec::new(), pinned: chain.into_iter().map(|certificate| (certificate, role)).collect() })
    }

    /// Believes whom either of the two believes.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.authorities.extend(other.authorities);
        self.pinned.extend(other.pinned);
        self
    }

    /// The role that a certificate was pinned with.
    pub(crate) fn pinned_role(&self, certificate: &CertificateDer<'_>) -> Option<Role> {
        let same = |pinned: &CertificateDer<'_>| verify_slices_are_equal(pinned, certificate).is_ok();
        self.pinned.iter().find(|(pinned, _)| same(pinned)).map(|&(_, role)| role)
    }
}
