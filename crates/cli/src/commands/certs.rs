//! `mycoin certs …`: the certificates of server, proxy and administrator.

use mycoin_identity::{CertFolder, CertificateInfo, Role};
use serde_json::json;

use crate::args;
use crate::commands::tls::{ensure_certificates, identity_error};
use crate::context::Context;
use crate::error::CliError;
use crate::{output, prompt};

pub(crate) fn run(context: &Context, command: args::Certs) -> Result<(), CliError> {
    match command {
        args::Certs::New { name, password_file } => {
            let question = "New password for the keys of server, proxy and administrator";
            let password = mycoin_identity::KeyPassword::new(prompt::new_password(question, password_file.as_deref())?);
            let password = password.map_err(|error| identity_error(&error))?;
            let report = ensure_certificates(context, &password, &name)?;
            if context.json {
                let made: Vec<_> = report.made.iter().map(|path| path.display().to_string()).collect();
                output::line(&json!({"made": made, "missing_names": report.missing_names}).to_string());
                return Ok(());
            }
            report.made.iter().for_each(|path| output::line(&format!("Made {}", path.display())));
            if report.made.is_empty() {
                output::line("All certificates are there already; nothing was made.");
            }
            for name in &report.missing_names {
                output::line(&format!("The server's certificate, made before, does not name {name}."));
            }
            Ok(())
        }
        args::Certs::List => list(context),
    }
}

fn list(context: &Context) -> Result<(), CliError> {
    let folder = CertFolder::at(&context.folder());
    let mut files = vec![("authority", folder.authority())];
    for (word, role) in [("server", Role::Server), ("proxy", Role::Proxy), ("admin", Role::Admin)] {
        files.push((word, folder.paths(role).certificate));
    }
    let mut rows = Vec::new();
    for (word, path) in files {
        let facts = CertificateInfo::read(&path).map_err(|error| identity_error(&error))?;
        rows.push((word, facts, path));
    }
    if context.json {
        let value = rows.iter().map(|(word, facts, path)| {
            json!({"role": word, "subject": facts.subject, "names": facts.names, "not_before": facts.not_before, "not_after": facts.not_after,
                   "sha256": facts.fingerprint, "path": path.display().to_string()})
        });
        output::line(&serde_json::Value::Array(value.collect()).to_string());
        return Ok(());
    }
    let rows = rows
        .into_iter()
        .map(|(word, facts, _)| vec![word.to_owned(), facts.not_after, facts.names.join(", "), facts.fingerprint]);
    output::table(&["ROLE", "VALID UNTIL", "NAMES", "SHA-256"], &[], &rows.collect::<Vec<_>>());
    Ok(())
}
