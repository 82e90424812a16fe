//! Bringing wallets back: from words, a backup, a descriptor, a key file; and finding out where their coins are.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use clap::{Args, Subcommand, ValueEnum};
use mycoin_light::ProxyClient;
use mycoin_primitives::format_coins;
use mycoin_wallet::{
    AccountUse, Backup, Doctor, Examined, FoundAccount, Passphrase, RecoveryWords, ScriptKind, Wallet, WalletKeys,
    WalletName, WordsError,
};
use serde_json::{Value, json};

use super::create::{PassphraseChoice, WeakPassword, counted, import_rsa};
use super::{Session, json_coins, kind_sentence, kind_word, wallet_password};
use crate::error::CliError;
use crate::{args, output, prompt};

/// How often the words may be typed wrongly.
const TRIES: usize = 3;
/// How many of a backup's addresses are derived to show the first one.
const FIRST_ADDRESSES: u32 = 1;

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub(crate) enum Scripts {
    /// Taproot (BIP86).
    Taproot,
    /// Native segwit (BIP84).
    Segwit,
    /// Segwit in P2SH (BIP49), where the coin has such addresses.
    Nested,
    /// Old-style (BIP44), where the coin has such addresses.
    Legacy,
}

impl From<Scripts> for ScriptKind {
    fn from(scripts: Scripts) -> Self {
        match scripts {
            Scripts::Taproot => Self::Taproot,
            Scripts::Segwit => Self::Segwit,
            Scripts::Nested => Self::Nested,
            Scripts::Legacy => Self::Legacy,
        }
    }
}

/// Commands that bring wallets back.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Bring a wallet back from its recovery words, a backup, a descriptor or a key file, and look for its coins.
    Restore(Box<Restore>),
}

/// What a wallet is restored from.
#[derive(Args)]
pub(crate) struct Restore {
    /// The wallet's name.
    name: String,
    /// The file that holds the words; - for standard input [default: ask].
    #[arg(long, value_name = "FILE", conflicts_with_all = ["backup", "descriptor_file", "import"])]
    words_file: Option<PathBuf>,
    /// A backup that `wallet backup` wrote; its password becomes the wallet's.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["descriptor_file", "import"])]
    backup: Option<PathBuf>,
    /// A file of output descriptors; with private keys the wallet signs. - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "import")]
    descriptor_file: Option<PathBuf>,
    /// An RSA key's file: PEM, DER, PKCS#12, a wallet of the Python prototype.
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// The file that holds the password of the key's file; - for standard input [default: ask, if it has one].
    #[arg(long, value_name = "FILE", requires = "import")]
    import_password_file: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseChoice,
    /// Look at this kind of address only [default: at all that the coin has].
    #[arg(long, value_enum)]
    scripts: Option<Scripts>,
    /// Take the account of this number [default: the one with the most transactions].
    #[arg(long, value_name = "N")]
    account: Option<u32>,
    /// Look, and make nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not look for coins: where no proxy answers.
    #[arg(long, conflicts_with = "dry_run")]
    no_scan: bool,
    #[command(flatten)]
    weak: WeakPassword,
    #[command(flatten)]
    password: args::Password,
    #[command(flatten)]
    proxy: args::ProxyUrl,
}

/// What the doctor looked at, one after the other, and where the wallet's coins are.
#[derive(Default)]
struct Diagnosis {
    examined: Vec<Examined>,
    chosen: Option<FoundAccount>,
    /// The passphrase that goes with the chosen account.
    passphrase: Passphrase,
}

impl Session<'_> {
    pub(super) async fn run_restore(&self, command: Commands) -> Result<(), CliError> {
        let Commands::Restore(restore) = command;
        let name = self.free_name(&restore.name)?;
        if let Some(path) = &restore.backup {
            let file = restore.password.password_file.as_deref();
            let password = wallet_password(&prompt::password("Password of the backup", file)?)?;
            let backup = Backup::open(path, self.network(), &password)?;
            if restore.dry_run {
                return self.tell_dry_run(
                    &name,
                    None,
                    &Diagnosis::default(),
                    &backup.wallet().first_addresses(FIRST_ADDRESSES),
                );
            }
            self.context.ready_folder()?;
            let wallet = self.folder.restore_backup(&name, &backup, &password)?;
            return self.finish(wallet, &restore, None, &Diagnosis::default()).await;
        }
        let network = self.network();
        if let Some(path) = &restore.descriptor_file {
            let keys = WalletKeys::from_descriptors(&prompt::text_from(path)?, network)?;
            return self.restore_keys(&name, keys, &restore).await;
        }
        if let Some(path) = &restore.import {
            let key = import_rsa(path, restore.import_password_file.as_deref())?;
            return self.restore_keys(&name, WalletKeys::from_rsa(key, network)?, &restore).await;
        }
        self.restore_words(&name, &restore).await
    }

    async fn restore_words(&self, name: &WalletName, restore: &Restore) -> Result<(), CliError> {
        let words = read_words(restore)?;
        let passphrase = given_passphrase(&restore.passphrase)?;
        let diagnosis = if restore.no_scan {
            Diagnosis { passphrase, ..Diagnosis::default() }
        } else {
            self.diagnose(&words, passphrase, restore).await?
        };
        let found = diagnosis.chosen.as_ref();
        let scripts = restore.scripts.map(ScriptKind::from).or(found.map(|found| found.scripts));
        let account = restore.account.or(found.map(|found| found.account)).unwrap_or(0);
        let scripts = scripts.unwrap_or(ScriptKind::Taproot);
        let keys = WalletKeys::from_words(&words, &diagnosis.passphrase, scripts, account, self.network())?;
        if restore.dry_run {
            return self.tell_dry_run(name, Some(&keys), &diagnosis, &[]);
        }
        let wallet = self.make(name, &keys, restore)?;
        self.finish(wallet, restore, found.map(|found| &found.used), &diagnosis).await
    }

    async fn restore_keys(&self, name: &WalletName, keys: WalletKeys, restore: &Restore) -> Result<(), CliError> {
        let client = self.client(&restore.proxy)?;
        let used = match restore.no_scan {
            true => None,
            false => {
                Some(Doctor::new(&client, &counter(self.context.json)).look_for(&keys).await.map_err(unreachable)?)
            }
        };
        clear_counter();
        if restore.dry_run {
            return self.tell_dry_run(name, Some(&keys), &Diagnosis::default(), &[]);
        }
        let wallet = self.make(name, &keys, restore)?;
        self.finish(wallet, restore, used.as_ref(), &Diagnosis::default()).await
    }

    fn make(&self, name: &WalletName, keys: &WalletKeys, restore: &Restore) -> Result<Wallet, CliError> {
        let (password, _) = self.new_wallet_password(name, restore.password.password_file.as_deref(), &restore.weak)?;
        self.context.ready_folder()?;
        Ok(self.folder.create_from_keys(name, keys, &password)?)
    }

    /// Looks for the accounts of the words: with the passphrase that was given, without it, with one that is asked for.
    async fn diagnose(
        &self,
        words: &RecoveryWords,
        passphrase: Passphrase,
        restore: &Restore,
    ) -> Result<Diagnosis, CliError> {
        let client = self.client(&restore.proxy)?;
        let tell = counter(self.context.json);
        let doctor = Doctor::new(&client, &tell);
        let only = restore.scripts.map(ScriptKind::from);
        let given = !passphrase.is_none();
        let mut diagnosis = Diagnosis { passphrase, ..Diagnosis::default() };
        let mut next = Some(diagnosis.passphrase.clone());
        while let Some(passphrase) = next.take() {
            let examined = doctor.examine(words, &passphrase, only).await.map_err(unreachable)?;
            clear_counter();
            let wanted = |found: &&FoundAccount| restore.account.is_none_or(|account| account == found.account);
            let chosen = examined.found.iter().find(wanted).cloned();
            let is_empty = examined.found.is_empty();
            diagnosis.examined.push(examined);
            if chosen.is_some() {
                (diagnosis.chosen, diagnosis.passphrase) = (chosen, passphrase);
                break;
            }
            if is_empty && given && !passphrase.is_none() {
                next = Some(Passphrase::none());
            } else if is_empty && !given && !self.context.json && prompt::is_possible() {
                diagnosis.examined.iter().for_each(|examined| eprintln!("{}", looked_sentence(examined)));
                eprintln!(
                    "These words may have had a passphrase, which is not the password. Press Enter if there was none."
                );
                next = prompt::optional_secret("Passphrase of the recovery words")?
                    .map(|text| Passphrase::new(text.as_str()));
            }
        }
        Ok(diagnosis)
    }

    /// Brings the new wallet up to date, with proofs, and says what came of it.
    async fn finish(
        &self,
        mut wallet: Wallet,
        restore: &Restore,
        used: Option<&AccountUse>,
        diagnosis: &Diagnosis,
    ) -> Result<(), CliError> {
        if !restore.no_scan {
            let client: ProxyClient = self.client(&restore.proxy)?;
            wallet.sync(&client).await?;
            // Coins beyond a wide gap, which no synchronisation would reach by itself.
            if let Some(used) = used
                && wallet.reach(used)?
            {
                wallet.sync(&client).await?;
            }
        }
        let (balance, history) = (wallet.balance(), wallet.history().len());
        let advice = advice(&wallet, restore, diagnosis, history);
        let address = wallet.next_address()?.address;
        let mut value = self.diagnosis_json(diagnosis);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("name".to_owned(), json!(wallet.name().to_string()));
            fields.insert("keys".to_owned(), json!(kind_word(wallet.kind())));
            fields.insert("address".to_owned(), json!(address));
            fields.insert("signs".to_owned(), json!(wallet.can_sign()));
            fields.insert("scanned".to_owned(), json!(!restore.no_scan));
            fields.insert("transactions".to_owned(), json!(history));
            fields.insert("total".to_owned(), json_coins(balance.total, self.network()));
            fields.insert("next".to_owned(), json!(advice));
        }
        self.print(&value, || {
            self.tell_diagnosis(diagnosis);
            output::line(&format!("Wallet {} is ready ({}).", wallet.name(), kind_sentence(wallet.kind())));
            if restore.no_scan {
                output::line("Nobody looked for its coins yet.");
            } else {
                let total = format_coins(balance.total, self.network());
                let ticker = &self.network().ticker;
                output::line(&format!(
                    "It holds {total} {ticker}, by {} that the proxy proved, up to block {}.",
                    counted(history as u64, "transaction", "s"),
                    wallet.tip()
                ));
            }
            output::line(&format!("Its next address: {address}"));
            advice.iter().for_each(|line| output::line(line));
        });
        Ok(())
    }

    fn tell_dry_run(
        &self,
        name: &WalletName,
        keys: Option<&WalletKeys>,
        diagnosis: &Diagnosis,
        addresses: &[String],
    ) -> Result<(), CliError> {
        let first = keys.map(|keys| keys.first_address(self.network())).transpose()?;
        let address = first.as_ref().or(addresses.first());
        let mut value = self.diagnosis_json(diagnosis);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("dry_run".to_owned(), json!(true));
            fields.insert("first_address".to_owned(), json!(address));
        }
        self.print(&value, || {
            self.tell_diagnosis(diagnosis);
            if let Some(address) = address {
                output::line(&format!("The wallet's first address would be {address}"));
            }
            output::line(&format!(
                "Nothing was made. To make it, say the same without --dry-run: mycoin wallet restore {name}"
            ));
        });
        Ok(())
    }

    fn tell_diagnosis(&self, diagnosis: &Diagnosis) {
        for examined in &diagnosis.examined {
            output::line(&looked_sentence(examined));
            for found in &examined.found {
                output::line(&format!("  Found: {}.", found_sentence(found)));
            }
        }
    }

    fn diagnosis_json(&self, diagnosis: &Diagnosis) -> Value {
        let examined = diagnosis.examined.iter().map(|examined| {
            json!({
                "scripts": examined.scripts.iter().map(|kind| script_word(*kind)).collect::<Vec<_>>(),
                "accounts": examined.accounts,
                "gap": examined.gap,
                "addresses": examined.addresses,
                "with_passphrase": examined.with_passphrase,
                "height": examined.height,
                "found": examined.found.iter().map(found_json).collect::<Vec<_>>(),
            })
        });
        json!({"looked_at": examined.collect::<Vec<_>>(), "chosen": diagnosis.chosen.as_ref().map(found_json)})
    }
}

fn found_json(found: &FoundAccount) -> Value {
    json!({"scripts": script_word(found.scripts), "account": found.account, "addresses": found.used.addresses,
           "transactions": found.used.transactions})
}

const fn script_word(scripts: ScriptKind) -> &'static str {
    match scripts {
        ScriptKind::Taproot => "taproot",
        ScriptKind::Segwit => "segwit",
        ScriptKind::Nested => "nested",
        ScriptKind::Legacy => "legacy",
    }
}

fn looked_sentence(examined: &Examined) -> String {
    let kinds: Vec<&str> = examined.scripts.iter().map(|kind| script_word(*kind)).collect();
    let passphrase = if examined.with_passphrase { "with the passphrase" } else { "without a passphrase" };
    let found = if examined.found.is_empty() { "Nothing was found." } else { "" };
    let sentence = format!(
        "Looked {passphrase} at {} addresses ({}), accounts 0 to {}, until {} in a row were unused, up to block {}. {found}",
        examined.addresses,
        kinds.join(", "),
        examined.accounts.saturating_sub(1),
        examined.gap,
        examined.height,
    );
    sentence.trim_end().to_owned()
}

fn found_sentence(found: &FoundAccount) -> String {
    let FoundAccount { scripts, account, used } = found;
    let (transactions, addresses) =
        (counted(used.transactions, "transaction", "s"), counted(used.addresses.into(), "address", "es"));
    format!("{} account {account}, {transactions} at {addresses}", script_word(*scripts))
}

/// What to do next: with the other accounts that were found, or when nothing was.
fn advice(wallet: &Wallet, restore: &Restore, diagnosis: &Diagnosis, history: usize) -> Vec<String> {
    let mut advice = Vec::new();
    let others = diagnosis.examined.iter().flat_map(|examined| &examined.found);
    for found in others.filter(|found| Some(*found) != diagnosis.chosen.as_ref()) {
        advice.push(format!(
            "The words also have {}. A wallet is one account; this makes another one of it: mycoin wallet restore NAME --scripts {} --account {}",
            found_sentence(found),
            script_word(found.scripts),
            found.account
        ));
    }
    if restore.no_scan {
        advice.push(format!("Look for its coins when a proxy answers: mycoin wallet balance {}", wallet.name()));
    } else if history == 0 {
        advice.push("No transaction of this wallet was found. That may be right: a wallet that never received anything has none. Else:".to_owned());
        if !diagnosis.examined.is_empty() {
            if diagnosis.examined.iter().all(|examined| !examined.with_passphrase) {
                advice.push("- If the words had a passphrase, give it with --passphrase. Every other passphrase opens another, empty wallet.".to_owned());
            } else {
                advice.push("- Check the passphrase: capitals and spaces count, and nothing tells a wrong one from a right one.".to_owned());
            }
            advice.push("- Compare the first address with one that you know of the wallet; if it differs, the words are another wallet's.".to_owned());
        }
        advice.push("- Check that this is the coin (--network), and that the proxy is at the chain's end, or ask another one (--proxy).".to_owned());
        advice.push("- Coins may lie in an RSA key, a multi-signature wallet or a backup, which the words alone do not bring back.".to_owned());
    }
    advice
}

/// A proxy that cannot be asked need not keep anybody from the wallet.
fn unreachable(error: mycoin_wallet::SyncError) -> CliError {
    clear_counter();
    CliError::from(error).or_else_try("With --no-scan the wallet is made without looking for its coins.")
}

fn given_passphrase(choice: &PassphraseChoice) -> Result<Passphrase, CliError> {
    let file = choice.passphrase_file.as_deref();
    if file.is_none() && !choice.passphrase {
        return Ok(Passphrase::none());
    }
    let question = "Passphrase of the recovery words (not the password)";
    Ok(Passphrase::new(prompt::secret(question, file, "Give --passphrase-file FILE.")?.as_str()))
}

/// The words, from a file or typed; a misspelt one is named by its place, with what may have been meant.
fn read_words(restore: &Restore) -> Result<RecoveryWords, CliError> {
    let mut tries = 0;
    loop {
        let text = match &restore.words_file {
            Some(file) => prompt::text_from(file)?,
            None => prompt::secret(
                "Recovery words, separated by spaces",
                None,
                "Give --words-file FILE (- for standard input).",
            )?,
        };
        let error = match RecoveryWords::parse(&text) {
            Ok(words) => return Ok(words),
            Err(error) => words_error(&text, error),
        };
        tries += 1;
        if restore.words_file.is_some() || tries == TRIES {
            return Err(error);
        }
        eprintln!("{error}");
    }
}

fn words_error(text: &str, error: WordsError) -> CliError {
    let next = match error {
        WordsError::UnknownWord { position } => match RecoveryWords::nearest(text, position).as_slice() {
            [] => "No word of the list comes near it: look at your note again.".to_owned(),
            near => format!("Nearest in the list: {}.", near.join(", ")),
        },
        WordsError::BadChecksum => {
            "The last word holds a checksum over all of them, and it does not fit: look for a word that was taken for a \
             similar one of the list, and for two that changed places."
                .to_owned()
        }
        WordsError::WrongCount { .. } | WordsError::OtherLanguage { .. } => String::new(),
    };
    CliError::from(error).or_else_try(&next)
}

/// Counts the addresses that were looked at, in one line of the terminal.
fn counter(json: bool) -> impl Fn(u32) + Send + Sync {
    let shown = AtomicU32::new(0);
    let is_shown = !json && io::stderr().is_terminal();
    move |looked| {
        if is_shown && shown.fetch_max(looked, Ordering::Relaxed) < looked {
            let _closed_terminal_is_no_failure = write!(io::stderr().lock(), "\r\x1b[2KLooked at {looked} addresses …");
        }
    }
}

fn clear_counter() {
    if io::stderr().is_terminal() {
        let _closed_terminal_is_no_failure = write!(io::stderr().lock(), "\r\x1b[2K");
    }
}
