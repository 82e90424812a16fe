//! Bringing a wallet up to date before a command shows or spends anything.
//!
//! In:    the proxies that were named, or the one on this machine.
//! Out:   a wallet that knows what they prove; a line on a terminal while that takes long; what is to be said about them.
//! Never: a warning that stops a command: what the proxies could not prove did not count.

use mycoin_light::ProxyClient;
use mycoin_wallet::{SyncProgress, SyncWarning, Wallet};
use serde_json::{Value, json};

use super::Session;
use crate::error::CliError;
use crate::{args, progress};

impl Session<'_> {
    /// The proxies that were named, each once, or the one on this machine.
    pub(super) fn clients(&self, proxy: &args::ProxyUrl) -> Result<Vec<ProxyClient>, CliError> {
        let mut urls: Vec<String> = Vec::new();
        for given in &proxy.proxy {
            if !urls.contains(given) {
                urls.push(given.clone());
            }
        }
        if urls.is_empty() {
            urls.push(self.context.proxy_url(None));
        }
        urls.iter().map(|url| Ok(ProxyClient::new(url, self.network())?)).collect()
    }

    /// The first of the proxies: the one that payments are posted to.
    pub(super) fn client(&self, proxy: &args::ProxyUrl) -> Result<ProxyClient, CliError> {
        let first = self.clients(proxy)?.into_iter().next();
        first.ok_or_else(|| CliError::usage("no proxy was named", "Name one with --proxy URL."))
    }

    /// Opens a wallet and brings it up to date with the proxies; the first of them.
    pub(super) async fn open_synced(
        &self,
        name: &str,
        password: &args::Password,
        proxy: &args::ProxyUrl,
    ) -> Result<(Wallet, ProxyClient), CliError> {
        let mut wallet = self.open(name, password)?;
        let client = self.sync(&mut wallet, proxy).await?;
        Ok((wallet, client))
    }

    /// Brings an open wallet up to date with the proxies; the first of them. Says what is to be said about them on standard
    /// error, and keeps it for the command's JSON.
    pub(super) async fn sync(&self, wallet: &mut Wallet, proxy: &args::ProxyUrl) -> Result<ProxyClient, CliError> {
        let clients = self.clients(proxy)?;
        let first = self.client(proxy)?;
        let line = progress::Line::new("Asking the proxy");
        let tell = |step: SyncProgress| line.tell(words(step));
        let report = line.watch(wallet.sync_with(&clients, &tell)).await?;
        for warning in &report.warnings {
            eprintln!("{}", told(warning, clients.len()));
        }
        self.warnings.borrow_mut().get_or_insert_default().extend(report.warnings);
        Ok(first)
    }

    /// A command's JSON with what is to be said about the proxies, where it asked them and has fields.
    pub(super) fn with_warnings(&self, value: &Value) -> Value {
        let mut value = value.clone();
        if let (Some(fields), Some(warnings)) = (value.as_object_mut(), self.warnings.borrow().as_ref()) {
            let list = warnings.iter().map(|warning| json!({"code": warning.code(), "message": warning.to_string()}));
            fields.insert("warnings".to_owned(), list.collect());
        }
        value
    }
}

/// How far a synchronisation has come, for the line on a terminal.
fn words(step: SyncProgress) -> String {
    match step {
        SyncProgress::Headers { height, target } => format!("Checking block headers: {height} of {target}"),
        SyncProgress::Addresses { searched } => format!("Looking for payments: {searched} addresses"),
        SyncProgress::Transactions { checked } => format!("Checking proofs: {checked} transactions"),
    }
}

/// A warning as a line for people.
fn told(warning: &SyncWarning, proxies: usize) -> String {
    let said = warning.to_string();
    let begin = match (tells_a_difference(warning), proxies) {
        (true, 2) => "The two proxies differ",
        (true, 3..) => "The proxies differ",
        (_, _) => "Look twice",
    };
    format!("{begin}: {}.", said.trim_end_matches('.'))
}

/// Whether the proxies told different things.
const fn tells_a_difference(warning: &SyncWarning) -> bool {
    match warning {
        SyncWarning::Lags { .. }
        | SyncWarning::OtherChain { .. }
        | SyncWarning::Wrong { .. }
        | SyncWarning::Hides { .. }
        | SyncWarning::OnlyOneShows { .. } => true,
        SyncWarning::Away { .. }
        | SyncWarning::AbsurdFees { .. }
        | SyncWarning::FeesDiffer { .. }
        | SyncWarning::HeadersNotKept { .. } => false,
    }
}
