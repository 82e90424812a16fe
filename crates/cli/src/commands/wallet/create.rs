//! New wallets: made of new keys, or from recovery words.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use mycoin_wallet::{KeyKind, Password, RecoveryWords, Wallet, WalletError, WalletName};
use serde_json::json;

use super::{Session, kind_sentence, kind_word, wallet_password};
use crate::error::CliError;
use crate::{args, output, prompt};

/// How many of the recovery words are asked back.
const WORDS_ASKED_BACK: usize = 3;
/// How often a word may be typed wrongly.
const WORD_TRIES: usize = 3;

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Twelve recovery words.
    Words,
    /// One RSA key.
    Rsa,
}

/// Commands that make wallets.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Make a new wallet.
    Create {
        /// The wallet's name.
        name: String,
        /// What holds the wallet's keys.
        #[arg(long, value_enum, default_value = "words")]
        keys: Keys,
        /// The size of an RSA key: 2048, 3072 or 4096.
        #[arg(long, default_value_t = 3072)]
        bits: u32,
        /// Do not ask anything: the recovery words are printed, and not asked back.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        password: args::Password,
    },
    /// Make a wallet from its recovery words.
    Restore {
        /// The wallet's name.
        name: String,
        /// The file that holds the words; - for standard input [default: ask].
        #[arg(long, value_name = "FILE")]
        words_file: Option<PathBuf>,
        #[command(flatten)]
        password: args::Password,
    },
}

impl Session<'_> {
    pub(super) fn run_create(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::Create { name, keys, bits, yes, password } => {
                self.create(&name, keys, bits, yes, password.password_file.as_deref())
            }
            Commands::Restore { name, words_file, password } => {
                self.restore(&name, words_file.as_deref(), password.password_file.as_deref())
            }
        }
    }

    fn create(
        &self,
        name: &str,
        keys: Keys,
        bits: u32,
        yes: bool,
        password_file: Option<&Path>,
    ) -> Result<(), CliError> {
        let name = self.free_name(name)?;
        if keys == Keys::Rsa && ![2048, 3072, 4096].contains(&bits) {
            let sentence = format!("an RSA key cannot have {bits} bits");
            return Err(CliError::usage(sentence, "Choose --bits 2048, 3072 or 4096."));
        }
        if !self.context.json && password_file.is_none() {
            eprintln!("The password protects the wallet's file. Nobody can recover it for you.");
        }
        let password = wallet_password(&prompt::new_password(&format!("New password for {name}"), password_file)?)?;
        self.context.ready_folder()?;
        match keys {
            Keys::Words => self.create_words(&name, &password, yes),
            Keys::Rsa => {
                let mut wallet = self.folder.create(&name, KeyKind::Rsa { bits }, &password)?.wallet;
                self.tell_created(&mut wallet, None)
            }
        }
    }

    fn create_words(&self, name: &WalletName, password: &Password, yes: bool) -> Result<(), CliError> {
        let words = RecoveryWords::generate()?;
        if !yes && !self.context.json {
            show_words_once(&words)?;
            ask_words_back(&words)?;
        }
        let mut wallet = self.folder.create_from_words(name, &words, password)?;
        let shown = (yes || self.context.json).then_some(&words);
        self.tell_created(&mut wallet, shown)
    }

    fn restore(&self, name: &str, words_file: Option<&Path>, password_file: Option<&Path>) -> Result<(), CliError> {
        let name = self.free_name(name)?;
        let text = prompt::password("Recovery words, separated by spaces", words_file)?;
        let words = RecoveryWords::parse(&text)?;
        let password = wallet_password(&prompt::new_password(&format!("New password for {name}"), password_file)?)?;
        self.context.ready_folder()?;
        let mut wallet = self.folder.create_from_words(&name, &words, &password)?;
        self.tell_created(&mut wallet, None)
    }

    /// A well-formed name that no wallet has yet, so that nobody types a password for nothing.
    fn free_name(&self, name: &str) -> Result<WalletName, CliError> {
        let name = WalletName::parse(name)?;
        match self.folder.list()?.into_iter().find(|wallet| wallet.name == name) {
            Some(wallet) => Err(WalletError::Exists { name: wallet.name }.into()),
            None => Ok(name),
        }
    }

    fn tell_created(&self, wallet: &mut Wallet, words: Option<&RecoveryWords>) -> Result<(), CliError> {
        let address = wallet.next_address()?.address;
        let mut value =
            json!({"name": wallet.name().to_string(), "keys": kind_word(wallet.kind()), "address": address});
        let list = words.map(|words| words.words().collect::<Vec<_>>());
        if let (Some(fields), Some(list)) = (value.as_object_mut(), &list) {
            fields.insert("words".to_owned(), json!(list));
        }
        self.print(&value, || {
            if let Some(list) = list {
                output::line(&format!("Recovery words: {}", list.join(" ")));
                output::line("Write them down: they are shown this once, and they alone restore the wallet.");
            }
            output::line(&format!("Wallet {} is ready ({}).", wallet.name(), kind_sentence(wallet.kind())));
            output::line(&format!("Its first address: {address}"));
        });
        Ok(())
    }
}

/// Shows the words until the person has written them down, then takes them off the screen.
fn show_words_once(words: &RecoveryWords) -> Result<(), CliError> {
    output::line("These recovery words are the wallet. Write them down in this order; whoever reads them can spend.");
    let list: Vec<&str> = words.words().collect();
    for (row, line) in list.chunks(4).enumerate() {
        let cells = line.iter().enumerate().map(|(column, word)| format!("{:>2}. {word:<10}", row * 4 + column + 1));
        output::line(&cells.collect::<String>());
    }
    prompt::ask("Press Enter when they are written down.")?;
    if std::io::stdout().is_terminal() {
        output::line("\x1b[H\x1b[2J\x1b[3J");
    }
    Ok(())
}

fn ask_words_back(words: &RecoveryWords) -> Result<(), CliError> {
    use rand::seq::IteratorRandom as _;
    let list: Vec<&str> = words.words().collect();
    let mut places = (0..list.len()).choose_multiple(&mut rand::rng(), WORDS_ASKED_BACK);
    places.sort_unstable();
    for place in places {
        let right = list.get(place).copied().unwrap_or_default();
        let question = format!("What is word {}?", place + 1);
        let mut known = false;
        for _ in 0..WORD_TRIES {
            known = prompt::ask(&question)?.eq_ignore_ascii_case(right);
            if known {
                break;
            }
            output::line("That is not the word. Look at your note.");
        }
        if !known {
            let next = "No wallet was made. Start again and write the words down.";
            return Err(CliError::new("words/not-written-down", "the words could not be repeated", next));
        }
    }
    Ok(())
}
