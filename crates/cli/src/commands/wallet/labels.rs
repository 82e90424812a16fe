//! Labels: set, listed, exchanged with other wallets.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use mycoin_wallet::{LABELS_LIMIT, Labelled};
use serde_json::{Value, json};

use super::{Session, files};
use crate::error::CliError;
use crate::{args, output};

/// Commands about labels.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Label a transaction, an address or a coin.
    Label {
        /// The wallet's name.
        name: String,
        /// What to label.
        #[arg(value_name = "tx:TXID|ADDRESS|TXID:NUMBER")]
        of: String,
        /// The label; an empty text takes it away.
        text: String,
        #[command(flatten)]
        password: args::Password,
    },
    /// List all labels, or exchange them with other wallets (BIP329).
    Labels {
        /// The wallet's name.
        name: String,
        /// Write them to a new file; - for standard output.
        #[arg(long, value_name = "FILE", conflicts_with = "import")]
        export: Option<PathBuf>,
        /// Take in those of a file; - for standard input.
        #[arg(long, value_name = "FILE")]
        import: Option<PathBuf>,
        #[command(flatten)]
        password: args::Password,
    },
}

impl Session<'_> {
    pub(super) fn run_labels(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::Label { name, of, text, password } => self.label(&name, &of, &text, &password),
            Commands::Labels { name, export: Some(path), password, .. } => self.export_labels(&name, &path, &password),
            Commands::Labels { name, import: Some(path), password, .. } => self.import_labels(&name, &path, &password),
            Commands::Labels { name, password, .. } => self.list_labels(&name, &password),
        }
    }

    fn label(&self, name: &str, of: &str, text: &str, password: &args::Password) -> Result<(), CliError> {
        let of = Labelled::parse(of, self.network())?;
        let mut wallet = self.open(name, password)?;
        wallet.set_label(of.clone(), text)?;
        let label = wallet.label(&of);
        self.print(&json!({"of": of.to_string(), "label": label}), || match label {
            Some(label) => output::line(&format!("{of} is labelled: {label}")),
            None => output::line(&format!("{of} has no label any more.")),
        });
        Ok(())
    }

    fn list_labels(&self, name: &str, password: &args::Password) -> Result<(), CliError> {
        let wallet = self.open(name, password)?;
        let labels: Vec<_> = wallet.labels().map(|(of, label)| (of.to_string(), label)).collect();
        let value: Value = labels.iter().map(|(of, label)| json!({"of": of, "label": label})).collect();
        self.print(&value, || {
            if labels.is_empty() {
                output::line("Nothing is labelled yet.");
                return;
            }
            let rows: Vec<_> = labels.iter().map(|(of, label)| vec![(*label).to_owned(), of.clone()]).collect();
            output::table(&["LABEL", "OF"], &[], &rows);
        });
        Ok(())
    }

    fn export_labels(&self, name: &str, path: &Path, password: &args::Password) -> Result<(), CliError> {
        let lines = self.open(name, password)?.export_labels();
        if path == Path::new("-") && self.context.json {
            let records = lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::from(line)));
            output::line(&records.collect::<Value>().to_string());
            return Ok(());
        }
        files::write_out(path, &lines)?;
        if path != Path::new("-") {
            let count = lines.lines().count();
            self.print(&json!({"path": path.display().to_string(), "records": count}), || {
                let path = path.display();
                output::line(&format!(
                    "{count} records were written to {path}. Whoever reads it knows what you noted."
                ));
            });
        }
        Ok(())
    }

    fn import_labels(&self, name: &str, path: &Path, password: &args::Password) -> Result<(), CliError> {
        let text = files::text_from(path, LABELS_LIMIT)?;
        let done = self.open(name, password)?.import_labels(&text)?;
        let value = json!({
            "labels": done.labels,
            "frozen": done.frozen,
            "thawed": done.thawed,
            "unchanged": done.unchanged,
            "unknown": done.unknown,
            "tidied": done.tidied,
        });
        self.print(&value, || {
            let mut parts = vec![format!("{} labels were taken in", done.labels)];
            let mut say = |count: usize, words: &str| {
                if count > 0 {
                    parts.push(format!("{count} {words}"));
                }
            };
            say(done.frozen, "coins were frozen");
            say(done.thawed, "coins can be spent again");
            say(done.unchanged, "lines said what was known already");
            say(done.unknown, "lines are of a type that this program does not know, and were left out");
            say(done.tidied, "labels were cut to 255 characters or cleaned of characters that cannot be seen");
            output::line(&format!("{}.", parts.join("; ")));
        });
        Ok(())
    }
}
