//! What server, proxy and administrator share: the password of their keys, their certificate, whom they trust.

use std::path::{Path, PathBuf};

use mycoin_files::Readers;
use mycoin_identity::{CertFolder, EnsureReport, Identity, IdentityError, KeyPassword, Role, Trust};

use crate::args::Tls;
use crate::context::Context;
use crate::error::{CliError, files_error};
use crate::prompt;

/// The file in the coin's folder where `demo` keeps the password that it made.
const DEMO_PASSWORD_FILE: &str = "password";

pub(crate) fn identity_error(error: &IdentityError) -> CliError {
    CliError::new(error.code(), error.to_string(), error.next_step())
}

fn key_password(secret: prompt::Secret) -> Result<KeyPassword, CliError> {
    KeyPassword::new(secret).map_err(|error| identity_error(&error))
}

/// The password of the keys in the folder: from the given file, from the one that `demo` left, or from a person.
pub(crate) fn folder_password(context: &Context, file: Option<&Path>) -> Result<KeyPassword, CliError> {
    if let Some(file) = file {
        return key_password(prompt::password_from(file)?);
    }
    if let Some(password) = demo_password(context)? {
        return Ok(password);
    }
    let first_start = !CertFolder::at(&context.folder()).authority().exists();
    key_password(if first_start {
        prompt::new_password("New password for the keys of server, proxy and administrator", None)?
    } else {
        prompt::password("Password of the TLS key", None)?
    })
}

fn demo_password(context: &Context) -> Result<Option<KeyPassword>, CliError> {
    let path = context.folder().join(DEMO_PASSWORD_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = zeroize::Zeroizing::new(mycoin_files::read_private(&path).map_err(|error| files_error(&error))?);
    let text = zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).trim().to_owned());
    key_password(text).map(Some)
}

/// The demo's own random password, made at its first start. Also says whether it is new.
pub(crate) fn ensure_demo_password(context: &Context) -> Result<KeyPassword, CliError> {
    if let Some(password) = demo_password(context)? {
        return Ok(password);
    }
    let password = KeyPassword::random().map_err(|error| identity_error(&error))?;
    let path = context.folder().join(DEMO_PASSWORD_FILE);
    let made = mycoin_files::create_new(&path, password.expose().as_bytes(), Readers::Owner);
    made.map_err(|error| files_error(&error))?;
    Ok(password)
}

/// Makes the certificates that are missing in the coin's folder.
pub(crate) fn ensure_certificates(
    context: &Context,
    password: &KeyPassword,
    names: &[String],
) -> Result<EnsureReport, CliError> {
    context.ready_folder()?;
    CertFolder::at(&context.folder()).ensure(password, names).map_err(|error| identity_error(&error))
}

/// Our certificate with its unlocked key, and the password that unlocked it. Makes the folder's certificates at first use.
pub(crate) fn own_identity(context: &Context, role: Role, tls: &Tls) -> Result<(Identity, KeyPassword), CliError> {
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        let question = format!("Password of {}", key.display());
        let password = key_password(prompt::password(&question, tls.password_file.as_deref())?)?;
        let identity = Identity::load(cert, key, &password).map_err(|error| identity_error(&error))?;
        return Ok((identity, password));
    }
    let password = folder_password(context, tls.password_file.as_deref())?;
    let report = ensure_certificates(context, &password, &[])?;
    for path in &report.made {
        eprintln!("Made {}", path.display());
    }
    let folder = CertFolder::at(&context.folder());
    let identity = folder.load(role, &password).map_err(|error| identity_error(&error))?;
    Ok((identity, password))
}

/// Whom we trust: exactly the pinned certificates where there are any, else the folder's authority.
pub(crate) fn trust(context: &Context, pins: &[(PathBuf, Role)]) -> Result<Trust, CliError> {
    let failed = |error| identity_error(&error);
    let mut pinned: Option<Trust> = None;
    for (path, role) in pins {
        let next = Trust::pinned(path, *role).map_err(failed)?;
        pinned = Some(match pinned {
            Some(trust) => trust.and(next),
            None => next,
        });
    }
    match pinned {
        Some(trust) => Ok(trust),
        None => Trust::authority(&CertFolder::at(&context.folder()).authority()).map_err(failed),
    }
}

/// The pins of a client: the other side is the server.
pub(crate) fn server_pins(tls: &Tls) -> Vec<(PathBuf, Role)> {
    tls.pin.iter().map(|path| (path.clone(), Role::Server)).collect()
}
