//! The folder `certs`: an authority of our own, and a certificate for each role.

use std::path::{Path, PathBuf};

use mycoin_files::{Readers, create_new, ensure_private_dir};
use rcgen::{Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use crate::certificate::{CertificateInfo, check_time, read_chain};
use crate::issue::{self, failed};
use crate::{Identity, IdentityError, KeyPassword, Role, key_file};

/// Where a certificate and its key stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertPaths {
    /// The certificate, PEM, 0644.
    pub certificate: PathBuf,
    /// Its encrypted key, PEM, 0600.
    pub key: PathBuf,
}

/// What [`CertFolder::ensure`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnsureReport {
    /// The files that were made.
    pub made: Vec<PathBuf>,
    /// Asked names that the server's certificate, which stood there before, does not carry.
    pub missing_names: Vec<String>,
}

/// The folder `certs` of a network's folder: `ca`, `server`, `proxy` and `admin`, each a `.crt` and a `.key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFolder {
    path: PathBuf,
}

impl CertFolder {
    /// The folder `certs` in a network's folder. Nothing is touched yet.
    pub fn at(network_dir: &Path) -> Self {
        Self { path: network_dir.join("certs") }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.pair("ca").certificate
    }

    /// The files of a role.
    pub fn paths(&self, role: Role) -> CertPaths {
        self.pair(role.name())
    }

    fn pair(&self, name: &str) -> CertPaths {
        CertPaths { certificate: self.path.join(format!("{name}.crt")), key: self.path.join(format!("{name}.key")) }
    }

    /// Makes what is missing: the folder, the authority, and the certificates of server, proxy and administrator, whose keys
    /// are all encrypted with `password`. The server's certificate is for this machine and for `names`.
    ///
    /// What stands there is never changed; a key that lacks its certificate (an interrupted start, or an expired certificate
    /// that was removed) gets a new one.
    ///
    /// # Errors
    ///
    /// [`IdentityError::WrongPassword`] when something must be made and the password does not open the authority's key;
    /// [`IdentityError::KeyMissing`]; [`IdentityError::BadName`]; [`IdentityError::Files`].
    pub fn ensure(&self, password: &KeyPassword, names: &[String]) -> Result<EnsureReport, IdentityError> {
        issue::check_names(names)?;
        ensure_private_dir(&self.path)?;
        let mut report = EnsureReport::default();
        let authority = self.pair("ca");
        let authority_key = self.ensure_key(&authority, password, &mut report)?;
        if !authority.certificate.exists() {
            let key = match &authority_key {
                Some(key) => key,
                None => return Err(missing(&authority)),
            };
            self.publish(&authority.certificate, &issue::authority(key)?, &mut report)?;
        }
        let server_stood = self.paths(Role::Server).certificate.exists();
        let wanting: Vec<Role> = Role::ALL.into_iter().filter(|&role| !self.paths(role).certificate.exists()).collect();
        for role in Role::ALL.into_iter().filter(|role| !wanting.contains(role)) {
            let pair = self.paths(role);
            if !pair.key.exists() {
                return Err(missing(&pair));
            }
        }
        if !wanting.is_empty() {
            let issuer = self.issuer(&authority, authority_key, password)?;
            for role in wanting {
                let pair = self.paths(role);
                let key = self.ensure_key(&pair, password, &mut report)?.ok_or_else(|| missing(&pair))?;
                self.publish(&pair.certificate, &issue::leaf(role, &key, &issuer, names)?, &mut report)?;
            }
        }
        if server_stood {
            let carried = CertificateInfo::read(&self.paths(Role::Server).certificate)?.names;
            report.missing_names = names.iter().filter(|name| !carried.contains(name)).cloned().collect();
        }
        Ok(report)
    }

    /// The key of a pair that lacks its certificate: the one that stands there, or a new one. `None` when nothing is to do.
    fn ensure_key(
        &self,
        pair: &CertPaths,
        password: &KeyPassword,
        report: &mut EnsureReport,
    ) -> Result<Option<KeyPair>, IdentityError> {
        match (pair.certificate.exists(), pair.key.exists()) {
            (true, _) => Ok(None),
            (false, true) => unlock(&pair.key, password).map(Some),
            (false, false) => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
                // The key first: without its certificate it is taken up again, the other way round it would be lost.
                key_file::write(&pair.key, &Zeroizing::new(key.serialize_der()), password)?;
                report.made.push(pair.key.clone());
                Ok(Some(key))
            }
        }
    }

    fn publish(&self, path: &Path, pem: &str, report: &mut EnsureReport) -> Result<(), IdentityError> {
        create_new(path, pem.as_bytes(), Readers::Everybody)?;
        report.made.push(path.to_owned());
        Ok(())
    }

    fn issuer(
        &self,
        authority: &CertPaths,
        key: Option<KeyPair>,
        password: &KeyPassword,
    ) -> Result<Issuer<'static, KeyPair>, IdentityError> {
        let key = match key {
            Some(key) => key,
            None if authority.key.exists() => unlock(&authority.key, password)?,
            None => return Err(missing(authority)),
        };
        let chain = read_chain(&authority.certificate)?;
        let certificate = chain.first().ok_or_else(|| missing(authority))?;
        check_time(&authority.certificate, certificate)?;
        Issuer::from_ca_cert_der(certificate, key).map_err(failed)
    }

    /// Loads a role's certificate and unlocks its key.
    ///
    /// # Errors
    ///
    /// As [`Identity::load`].
    pub fn load(&self, role: Role, password: &KeyPassword) -> Result<Identity, IdentityError> {
        let pair = self.paths(role);
        Identity::load(&pair.certificate, &pair.key, password)
    }
}

fn missing(pair: &CertPaths) -> IdentityError {
    IdentityError::KeyMissing { certificate: pair.certificate.clone(), key: pair.key.clone() }
}

fn unlock(path: &Path, password: &KeyPassword) -> Result<KeyPair, IdentityError> {
    let der = key_file::read(path, password)?;
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(der.as_slice())).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    fn password(text: &str) -> KeyPassword {
        KeyPassword::new(Zeroizing::new(text.to_owned())).expect("not empty")
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it was made").mode() & 0o777
    }

    #[test]
    fn a_new_folder_holds_four_pairs_with_their_permissions() -> Result<(), IdentityError> {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let folder = CertFolder::at(tmp.path());
        let report = folder.ensure(&password("secret"), &["node.example".to_owned()])?;
        assert_eq!(report.made.len(), 8);
        assert_eq!(mode(folder.path()), 0o700);
        for name in ["ca", "server", "proxy", "admin"] {
            let pair = folder.pair(name);
            assert_eq!((mode(&pair.certificate), mode(&pair.key)), (0o644, 0o600), "{name}");
            assert!(fs::read_to_string(&pair.key).expect("ours").starts_with("-----BEGIN ENCRYPTED PRIVATE KEY"));
        }
        let server = CertificateInfo::read(&folder.paths(Role::Server).certificate)?;
        assert_eq!(server.names, ["localhost", "127.0.0.1", "::1", "node.example"]);
        for role in Role::ALL {
            assert_eq!(CertificateInfo::read(&folder.paths(role).certificate)?.role, Some(role));
            folder.load(role, &password("secret"))?;
            assert!(matches!(folder.load(role, &password("other")), Err(IdentityError::WrongPassword { .. })));
        }
        Ok(())
    }

    #[test]
    fn a_second_start_changes_nothing_and_an_interrupted_one_is_finished() -> Result<(), IdentityError> {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let folder = CertFolder::at(tmp.path());
        folder.ensure(&password("secret"), &[])?;
        let report = folder.ensure(&password("not asked for"), &["localhost".to_owned(), "far.example".to_owned()])?;
        assert_eq!(report, EnsureReport { made: Vec::new(), missing_names: vec!["far.example".to_owned()] });

        let proxy = folder.paths(Role::Proxy);
        let key = fs::read(&proxy.key).expect("ours");
        fs::remove_file(&proxy.certificate).expect("ours");
        assert!(matches!(folder.ensure(&password("wrong"), &[]), Err(IdentityError::WrongPassword { .. })));
        assert_eq!(folder.ensure(&password("secret"), &[])?.made, std::slice::from_ref(&proxy.certificate));
        assert_eq!(fs::read(&proxy.key).expect("ours"), key);

        fs::remove_file(&proxy.key).expect("ours");
        assert!(matches!(folder.ensure(&password("secret"), &[]), Err(IdentityError::KeyMissing { .. })));
        Ok(())
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() -> Result<(), IdentityError> {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let folder = CertFolder::at(tmp.path());
        folder.ensure(&password("secret"), &[])?;
        let (server, proxy) = (folder.paths(Role::Server), folder.paths(Role::Proxy));
        let mixed = Identity::load(&server.certificate, &proxy.key, &password("secret"));
        assert!(matches!(mixed, Err(IdentityError::KeyMismatch { .. })));
        Ok(())
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let made = CertFolder::at(tmp.path()).ensure(&password("secret"), &["a b".to_owned()]);
        assert!(matches!(made, Err(IdentityError::BadName { .. })));
    }
}
