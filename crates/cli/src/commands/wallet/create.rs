//! New wallets, of every kind of key.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use mycoin_wallet::{
    ExtendedKey, KeyKind, KeysError, Passphrase, Password, RecoveryWords, RsaKey, ScriptKind, Strength, StrengthLevel,
    Unlock, Wallet, WalletError, WalletKeys, WalletName, WordCount, cosigner_key,
};
use serde_json::{Value, json};

use super::token::TokenChoice;
use super::{Session, files, kind_sentence, kind_word, wallet_password};
use crate::error::CliError;
use crate::{args, output, prompt};

/// How many of the recovery words are asked back.
const WORDS_ASKED_BACK: usize = 3;
/// How often a word may be typed wrongly.
const WORD_TRIES: usize = 3;
/// The longest file of keys that is read, in bytes.
const KEY_FILE_LIMIT: u64 = 1 << 20;

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Recovery words, taproot addresses.
    Words,
    /// Recovery words, native segwit addresses.
    Segwit,
    /// One new RSA key.
    Rsa,
    /// An RSA key from a file.
    RsaImport,
    /// Several keys of which some must sign together.
    Multisig,
    /// Keys that are elsewhere: to look, and to prepare payments.
    Watch,
    /// An RSA key that stays on a token: a smart card, a security key, a hardware security module.
    Pkcs11,
}

/// Commands that make wallets.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Make a new wallet.
    Create(Box<Create>),
    /// Print the public key that you give to the others of a multi-signature wallet.
    Cosigner {
        /// The wallet whose recovery words the key comes from.
        name: String,
        /// The number of the account.
        #[arg(long, value_name = "N", default_value_t = 0)]
        account: u32,
        #[command(flatten)]
        password: args::Password,
    },
}

/// What a new wallet is made of.
#[derive(Args)]
pub(crate) struct Create {
    /// The wallet's name.
    name: String,
    /// What holds the wallet's keys [default: words, or what the other options ask for].
    #[arg(long, value_enum)]
    keys: Option<Keys>,
    /// How many recovery words: 12 or 24.
    #[arg(long, value_name = "COUNT", default_value = "12", value_parser = ["12", "24"])]
    words: String,
    /// The number of the account.
    #[arg(long, value_name = "N", default_value_t = 0)]
    account: u32,
    #[command(flatten)]
    passphrase: PassphraseChoice,
    /// The size of a new RSA key: 2048, 3072 or 4096.
    #[arg(long, default_value_t = KeyKind::DEFAULT_RSA_BITS)]
    bits: u32,
    /// Multi-signature: how many must sign.
    #[arg(long, value_name = "K")]
    required: Option<usize>,
    /// Multi-signature: the key of one who may sign, [fingerprint/path]xpub…; once for each, your own included.
    #[arg(long, value_name = "KEY")]
    cosigner: Vec<String>,
    /// Multi-signature: the wallet here whose recovery words sign; without it the new wallet only watches.
    #[arg(long, value_name = "NAME")]
    key_wallet: Option<String>,
    /// The file that holds the password of --key-wallet; - for standard input [default: ask].
    #[arg(long, value_name = "FILE", requires = "key_wallet")]
    key_password_file: Option<PathBuf>,
    /// Watch-only: an extended public key, an output descriptor, or an address.
    #[arg(long, value_name = "KEY|DESCRIPTOR|ADDRESS")]
    watch: Option<String>,
    /// An RSA key's file: PEM, DER, PKCS#12, a wallet of the Python prototype; with --keys watch a public key.
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// The file that holds the password of the key's file; - for standard input [default: ask, if it has one].
    #[arg(long, value_name = "FILE", requires = "import")]
    import_password_file: Option<PathBuf>,
    #[command(flatten)]
    token: TokenChoice,
    #[command(flatten)]
    weak: WeakPassword,
    /// Do not ask anything: the recovery words are printed, and not asked back.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    password: args::Password,
}

/// Whether a passphrase stands beside the recovery words.
#[derive(Args)]
pub(crate) struct PassphraseChoice {
    /// Ask for a passphrase: one more secret that belongs to the recovery words. It is not the password.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(super) passphrase: bool,
    /// The file whose first line is the passphrase of the recovery words; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
}

/// What to do about a password that is easily guessed.
#[derive(Args)]
pub(crate) struct WeakPassword {
    /// Take a password that is guessed at once.
    #[arg(long)]
    weak_password_ok: bool,
}

/// A new wallet's keys, and the words to show where they are new.
struct NewKeys {
    keys: WalletKeys,
    words: Option<RecoveryWords>,
}

impl Session<'_> {
    pub(super) fn run_create(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::Create(create) => self.create(&create),
            Commands::Cosigner { name, account, password } => self.cosigner(&name, account, &password),
        }
    }

    fn create(&self, create: &Create) -> Result<(), CliError> {
        let name = self.free_name(&create.name)?;
        let new = self.new_keys(create)?;
        let (password, strength) =
            self.new_wallet_password(&name, create.password.password_file.as_deref(), &create.weak)?;
        self.context.ready_folder()?;
        if let Some(words) = new.words.as_ref().filter(|_| !create.yes && !self.context.json) {
            show_words_once(words)?;
            ask_words_back(words)?;
        }
        let mut wallet = self.folder.create_from_keys(&name, &new.keys, &password)?;
        let shown = new.words.as_ref().filter(|_| create.yes || self.context.json);
        self.tell_created(&mut wallet, shown, &strength)
    }

    fn new_keys(&self, create: &Create) -> Result<NewKeys, CliError> {
        let given = match create {
            Create { watch: Some(_), .. } => Keys::Watch,
            Create { import: Some(_), .. } => Keys::RsaImport,
            Create { token, .. } if token.is_given() => Keys::Pkcs11,
            Create { cosigner, .. } if !cosigner.is_empty() => Keys::Multisig,
            _ => Keys::Words,
        };
        let network = self.network();
        let keys = match create.keys.unwrap_or(given) {
            Keys::Words => return self.new_words(create, ScriptKind::Taproot),
            Keys::Segwit => return self.new_words(create, ScriptKind::Segwit),
            Keys::Rsa if ![2048, 3072, 4096].contains(&create.bits) => {
                let sentence = format!("an RSA key cannot have {} bits", create.bits);
                return Err(CliError::usage(sentence, "Choose --bits 2048, 3072 or 4096."));
            }
            Keys::Rsa => WalletKeys::new_rsa(create.bits, network)?,
            Keys::RsaImport => {
                let file = create.import.as_deref().ok_or_else(|| missing("the key's file", "--import FILE"))?;
                WalletKeys::from_rsa(import_rsa(file, create.import_password_file.as_deref())?, network)?
            }
            Keys::Multisig => self.multisig(create)?,
            Keys::Pkcs11 => self.token_keys(&create.token)?,
            Keys::Watch => match (&create.watch, &create.import) {
                (Some(text), _) => self.watch(text)?,
                (None, Some(file)) => WalletKeys::from_rsa(RsaKey::import_public(&read_key_file(file)?)?, network)?,
                (None, None) => return Err(missing("what to watch", "--watch KEY|DESCRIPTOR|ADDRESS")),
            },
        };
        Ok(NewKeys { keys, words: None })
    }

    fn new_words(&self, create: &Create, scripts: ScriptKind) -> Result<NewKeys, CliError> {
        let count = if create.words == "24" { WordCount::TwentyFour } else { WordCount::Twelve };
        let words = RecoveryWords::generate_of(count)?;
        let passphrase = new_passphrase(&create.passphrase)?;
        let keys = WalletKeys::from_words(&words, &passphrase, scripts, create.account, self.network())?;
        Ok(NewKeys { keys, words: Some(words) })
    }

    fn multisig(&self, create: &Create) -> Result<WalletKeys, CliError> {
        let required = create.required.ok_or_else(|| missing("how many must sign", "--required K"))?;
        let cosigners = create.cosigner.iter().map(|key| key.parse()).collect::<Result<Vec<ExtendedKey>, _>>()?;
        let Some(name) = &create.key_wallet else {
            return Ok(WalletKeys::multisig(required, &cosigners, None, self.network())?);
        };
        let name = WalletName::parse(name)?;
        let file = create.key_password_file.as_deref().or(create.password.password_file.as_deref());
        let password = wallet_password(&prompt::password(&format!("Password of {name}"), file)?)?;
        let (words, passphrase) = self.folder.open(&name, Unlock::PasswordOnce(&password))?.words(&password)?;
        let own = Some((&words, &passphrase, create.account));
        Ok(WalletKeys::multisig(required, &cosigners, own, self.network())?)
    }

    fn watch(&self, text: &str) -> Result<WalletKeys, CliError> {
        let network = self.network();
        if text.contains('(') {
            let keys = WalletKeys::from_descriptors(text, network)?;
            // A private key would have stood in the list of processes for everybody to read.
            return match keys.kind() {
                KeyKind::Descriptor => Err(KeysError::PrivateKey.into()),
                _ => Ok(keys),
            };
        }
        match text.parse::<ExtendedKey>() {
            Ok(key) => Ok(WalletKeys::watch_account(&key, None, network)?),
            Err(KeysError::NotAnExtendedKey) => Ok(WalletKeys::watch_address(text, network)?),
            Err(error) => Err(error.into()),
        }
    }

    fn cosigner(&self, name: &str, account: u32, password: &args::Password) -> Result<(), CliError> {
        let name = WalletName::parse(name)?;
        let secret = prompt::password(&format!("Password of {name}"), password.password_file.as_deref())?;
        let password = wallet_password(&secret)?;
        let wallet = self.folder.open(&name, Unlock::PasswordOnce(&password))?;
        let (words, passphrase) = wallet.words(&password)?;
        let key = cosigner_key(&words, &passphrase, account, self.network())?.to_text(self.network().slip44 == 1);
        self.print(&json!({"name": name.to_string(), "account": account, "cosigner": key}), || {
            output::line(&key);
            eprintln!(
                "Give this to the others. It shows the payments of the wallet that you make together, and spends none."
            );
        });
        Ok(())
    }

    /// Takes a new password, and says how easily it is guessed.
    pub(super) fn new_wallet_password(
        &self,
        name: &WalletName,
        file: Option<&Path>,
        weak: &WeakPassword,
    ) -> Result<(Password, Strength), CliError> {
        if !self.context.json && file.is_none() {
            eprintln!("The password protects the wallet's file. Nobody can recover it for you.");
        }
        let password = wallet_password(&prompt::new_password(&format!("New password for {name}"), file)?)?;
        let strength = password.strength(&[name.as_str()]);
        if !self.context.json && (file.is_none() || strength.level <= StrengthLevel::Weak) {
            eprintln!("{}", strength_sentence(&strength));
            if strength.level <= StrengthLevel::Fair {
                strength.advice.iter().for_each(|advice| eprintln!("  {advice}"));
            }
        }
        // Who gives a file decided before; scripts are told, not stopped.
        let is_refused = strength.level == StrengthLevel::VeryWeak && file.is_none() && !weak.weak_password_ok;
        if is_refused && !prompt::confirm("Take this password all the same?")? {
            let next = "Choose a longer one, of several unusual words; nothing was made.";
            return Err(CliError::new("password/very-weak", "the password is guessed at once", next));
        }
        Ok((password, strength))
    }

    /// A well-formed name that no wallet has yet, so that nobody types a password for nothing.
    pub(super) fn free_name(&self, name: &str) -> Result<WalletName, CliError> {
        let name = WalletName::parse(name)?;
        match self.folder.list()?.into_iter().find(|wallet| wallet.name == name) {
            Some(wallet) => Err(WalletError::Exists { name: wallet.name }.into()),
            None => Ok(name),
        }
    }

    fn tell_created(
        &self,
        wallet: &mut Wallet,
        words: Option<&RecoveryWords>,
        strength: &Strength,
    ) -> Result<(), CliError> {
        let address = wallet.next_address()?.address;
        let list = words.map(|words| words.words().collect::<Vec<_>>());
        let mut value = json!({"name": wallet.name().to_string(), "keys": kind_word(wallet.kind()), "address": address,
            "signs": wallet.can_sign(), "password_strength": strength_json(strength)});
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
            if matches!(wallet.kind(), KeyKind::Multisig { .. }) {
                output::line("Compare it with the others': all of you must see the same first address.");
            }
        });
        Ok(())
    }
}

/// A number of things, as people say it.
pub(super) fn counted(number: u64, what: &str, plural: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { plural })
}

fn missing(what: &str, option: &str) -> CliError {
    CliError::usage(format!("{what} is missing"), format!("Give {option}."))
}

/// The passphrase of new words, typed twice.
fn new_passphrase(choice: &PassphraseChoice) -> Result<Passphrase, CliError> {
    if choice.passphrase {
        eprintln!(
            "The passphrase is one more secret word of your recovery words, chosen by you. It is not the password: the password \
             opens this file, the passphrase makes the keys. Who forgets it loses the coins, and nothing tells a wrong one."
        );
    }
    let (file, asks) = (choice.passphrase_file.as_deref(), choice.passphrase);
    match file {
        None if !asks => Ok(Passphrase::none()),
        _ => Ok(Passphrase::new(
            prompt::new_password("Passphrase of the recovery words (not the password)", file)?.as_str(),
        )),
    }
}

/// Reads an RSA key, and asks for its file's password where it has one.
pub(super) fn import_rsa(file: &Path, password_file: Option<&Path>) -> Result<RsaKey, CliError> {
    let bytes = read_key_file(file)?;
    let given = password_file.map(prompt::password_from).transpose()?;
    let password = given.map(|given| wallet_password(&given)).transpose()?;
    match RsaKey::import(&bytes, password.as_ref()) {
        Err(mycoin_wallet::RsaKeyError::PasswordNeeded) if password.is_none() => {
            let question = format!("Password of the key file {}", file.display());
            let password = wallet_password(&prompt::secret(&question, None, "Give --import-password-file FILE.")?)?;
            Ok(RsaKey::import(&bytes, Some(&password))?)
        }
        other => Ok(other?),
    }
}

pub(super) fn read_key_file(file: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, CliError> {
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    files::read(file, KEY_FILE_LIMIT, &mut bytes)
        .map_err(|error| CliError::new("keys/file", format!("cannot read {}: {error}", file.display()), ""))?;
    Ok(bytes)
}

/// How strong a password is, in a sentence.
fn strength_sentence(strength: &Strength) -> String {
    let level = match strength.level {
        StrengthLevel::VeryWeak => "very weak",
        StrengthLevel::Weak => "weak",
        StrengthLevel::Fair => "fair",
        StrengthLevel::Good => "good",
        StrengthLevel::Strong => "strong",
    };
    format!("The password is {level}: who steals the file needs {} to guess it.", guessing_time(strength))
}

/// How long one fast machine guesses: two tries a second.
fn guessing_time(strength: &Strength) -> &'static str {
    match strength.guesses_log10 {
        log if log < 2.0 => "about a minute",
        log if log < 3.8 => "about an hour",
        log if log < 5.2 => "about a day",
        log if log < 6.7 => "about a month",
        log if log < 7.8 => "about a year",
        log if log < 9.8 => "about a hundred years",
        _ => "thousands of years",
    }
}

pub(super) fn strength_json(strength: &Strength) -> Value {
    let level = match strength.level {
        StrengthLevel::VeryWeak => "very-weak",
        StrengthLevel::Weak => "weak",
        StrengthLevel::Fair => "fair",
        StrengthLevel::Good => "good",
        StrengthLevel::Strong => "strong",
    };
    json!({"level": level, "guesses_log10": (strength.guesses_log10 * 10.0).round() / 10.0, "advice": strength.advice})
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
