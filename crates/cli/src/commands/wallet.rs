//! `mycoin wallet …`: the command-line twin of the window, over the same wallet library.

use std::io::IsTerminal as _;
use std::path::Path;

use mycoin_light::ProxyClient;
use mycoin_primitives::{Amount, FeeRate, Network, format_coins, parse_address, parse_amount};
use mycoin_wallet::{
    DEFAULT_FEE_TARGET, EntryKind, EntryState, FeeChoice, HistoryEntry, KeyKind, Password, PaymentRequest,
    RecoveryWords, Review, ScriptKind, Unlock, Wallet, WalletError, WalletFolder, WalletName, Warning,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::args::{self, Keys};
use crate::context::Context;
use crate::error::CliError;
use crate::{output, prompt};

/// How many of the recovery words are asked back.
const WORDS_ASKED_BACK: usize = 3;
/// How often a word may be typed wrongly.
const WORD_TRIES: usize = 3;

pub(crate) async fn run(context: &Context, command: args::Wallet) -> Result<(), CliError> {
    let session = Session { context, folder: WalletFolder::at(context.wallets(), context.network.clone()) };
    match command {
        args::Wallet::Create { name, keys, bits, yes, password } => {
            session.create(&name, keys, bits, yes, password.password_file.as_deref())
        }
        args::Wallet::Restore { name, words_file, password } => {
            session.restore(&name, words_file.as_deref(), password.password_file.as_deref())
        }
        args::Wallet::List => session.list(),
        args::Wallet::Open { name, password } => session.unlock(&name, password.password_file.as_deref()),
        args::Wallet::Lock { name } => session.lock(&name),
        args::Wallet::Address { name, qr, password } => session.address(&name, qr, &password),
        args::Wallet::Balance { name, password, proxy } => session.balance(&name, &password, &proxy).await,
        args::Wallet::History { name, password, proxy } => session.history(&name, &password, &proxy).await,
        args::Wallet::Faucet { name, password, proxy } => session.faucet(&name, &password, &proxy).await,
        args::Wallet::Send { name, to, amount, fee_rate, target, yes, password, proxy } => {
            let payment = Payment { to: &to, amount: &amount, fee_rate: fee_rate.as_deref(), target, yes };
            session.send(&name, &payment, &password, &proxy).await
        }
    }
}

/// What `send` was asked to do, as it was typed.
struct Payment<'a> {
    to: &'a str,
    amount: &'a str,
    fee_rate: Option<&'a str>,
    target: Option<u16>,
    yes: bool,
}

struct Session<'a> {
    context: &'a Context,
    folder: WalletFolder,
}

impl Session<'_> {
    fn network(&self) -> &Network {
        &self.context.network
    }

    fn print(&self, value: &Value, people: impl FnOnce()) {
        if self.context.json { output::line(&value.to_string()) } else { people() }
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

    fn list(&self) -> Result<(), CliError> {
        let wallets = self.folder.list()?;
        let value = wallets.iter().map(|wallet| {
            json!({"name": wallet.name.to_string(), "keys": wallet.kind.map(kind_word), "locked": wallet.locked,
                   "path": wallet.path.display().to_string()})
        });
        self.print(&Value::Array(value.collect()), || {
            if wallets.is_empty() {
                output::line("There is no wallet yet. Make one: mycoin wallet create NAME");
                return;
            }
            let rows = wallets.iter().map(|wallet| {
                let kind = wallet.kind.map_or_else(|| "not a wallet file".to_owned(), kind_sentence);
                let viewing = if wallet.locked { "asks for the password" } else { "open" };
                vec![wallet.name.to_string(), kind, viewing.to_owned()]
            });
            output::table(&["NAME", "KEYS", "VIEWING"], &[], &rows.collect::<Vec<_>>());
        });
        Ok(())
    }

    fn unlock(&self, name: &str, password_file: Option<&Path>) -> Result<(), CliError> {
        let name = WalletName::parse(name)?;
        let password = wallet_password(&prompt::password(&format!("Password of {name}"), password_file)?)?;
        self.folder.open(&name, Unlock::Password(&password))?;
        self.print(&json!({"name": name.to_string(), "locked": false}), || {
            output::line(&format!("{name} is open for viewing. Payments still ask for the password."));
        });
        Ok(())
    }

    fn lock(&self, name: &str) -> Result<(), CliError> {
        let name = WalletName::parse(name)?;
        self.folder.lock(&name)?;
        self.print(&json!({"name": name.to_string(), "locked": true}), || {
            output::line(&format!("{name} is locked: looking at it asks for its password again."));
        });
        Ok(())
    }

    /// Opens a wallet to look at it: by the password where a file gives it, else by the viewing key, else by asking.
    fn open(&self, name: &str, password: &args::Password) -> Result<Wallet, CliError> {
        let name = WalletName::parse(name)?;
        if password.password_file.is_none() {
            match self.folder.open(&name, Unlock::ViewKey) {
                Err(WalletError::Locked { .. }) => {}
                other => return Ok(other?),
            }
        }
        let secret = prompt::password(&format!("Password of {name}"), password.password_file.as_deref())?;
        Ok(self.folder.open(&name, Unlock::Password(&wallet_password(&secret)?))?)
    }

    fn client(&self, proxy: &args::ProxyUrl) -> Result<ProxyClient, CliError> {
        Ok(ProxyClient::new(&self.context.proxy_url(proxy.proxy.as_deref()), self.network())?)
    }

    /// Opens a wallet and brings it up to date with the proxy.
    async fn open_synced(
        &self,
        name: &str,
        password: &args::Password,
        proxy: &args::ProxyUrl,
    ) -> Result<(Wallet, ProxyClient), CliError> {
        let mut wallet = self.open(name, password)?;
        let client = self.client(proxy)?;
        wallet.sync(&client).await?;
        Ok((wallet, client))
    }

    fn address(&self, name: &str, qr: bool, password: &args::Password) -> Result<(), CliError> {
        let address = self.open(name, password)?.next_address()?.address;
        self.print(&json!({ "address": address }), || {
            output::line(&address);
            if qr {
                output::qr(&format!("{}:{address}", self.network().uri_scheme));
            }
        });
        Ok(())
    }

    async fn balance(&self, name: &str, password: &args::Password, proxy: &args::ProxyUrl) -> Result<(), CliError> {
        let (wallet, _) = self.open_synced(name, password, proxy).await?;
        let balance = wallet.balance();
        let value = json!({
            "spendable": json_coins(balance.spendable, self.network()),
            "waiting": json_coins(balance.waiting, self.network()),
            "immature": json_coins(balance.immature, self.network()),
            "total": json_coins(balance.total, self.network()),
            "ticker": self.network().ticker,
            "height": wallet.tip(),
        });
        self.print(&value, || {
            let row = |name: &str, amount: Amount, meaning: &str| {
                vec![name.to_owned(), format_coins(amount, self.network()), meaning.to_owned()]
            };
            let rows = [
                row("spendable", balance.spendable, "can be spent now"),
                row("waiting", balance.waiting, "on its way, in no block yet"),
                row("immature", balance.immature, "block rewards that more blocks must follow"),
                row("total", balance.total, ""),
            ];
            output::table(&["", &self.network().ticker, ""], &[1], &rows);
        });
        Ok(())
    }

    async fn history(&self, name: &str, password: &args::Password, proxy: &args::ProxyUrl) -> Result<(), CliError> {
        let (wallet, _) = self.open_synced(name, password, proxy).await?;
        let history = wallet.history();
        let value = history.iter().map(|entry| self.entry_json(entry)).collect();
        self.print(&value, || {
            if history.is_empty() {
                output::line("Nothing has happened in this wallet yet.");
                return;
            }
            let rows: Vec<_> = history.iter().map(|entry| self.entry_row(entry)).collect();
            output::table(&["TIME (UTC)", "WHAT", "AMOUNT", "STATE", "WITH", "TXID"], &[2], &rows);
        });
        Ok(())
    }

    fn entry_json(&self, entry: &HistoryEntry) -> Value {
        let change = output::signed_coins(entry.amount, self.network());
        json!({
            "txid": entry.txid.to_string(),
            "time": entry.time,
            "height": entry.height,
            "confirmations": entry.confirmations,
            "amount": json_number(change.trim_start_matches('+')),
            "fee": entry.fee.map(|fee| json_coins(fee, self.network())),
            "kind": kind_of_entry(entry.kind),
            "state": state_word(entry.state),
            "counterparties": entry.counterparties,
            "own_addresses": entry.own_addresses,
        })
    }

    fn entry_row(&self, entry: &HistoryEntry) -> Vec<String> {
        let state = match entry.state {
            EntryState::Waiting => "waiting".to_owned(),
            EntryState::Confirmed => format!("confirmed ({})", entry.confirmations),
            EntryState::Immature { blocks_left } => format!("immature ({blocks_left} to go)"),
        };
        vec![
            utc(entry.time),
            kind_of_entry(entry.kind).to_owned(),
            output::signed_coins(entry.amount, self.network()),
            state,
            entry.counterparties.first().cloned().unwrap_or_default(),
            entry.txid.to_string(),
        ]
    }

    async fn faucet(&self, name: &str, password: &args::Password, proxy: &args::ProxyUrl) -> Result<(), CliError> {
        if !self.network().faucet {
            let sentence = format!("{} has no faucet", self.network().coin);
            return Err(CliError::new("faucet/off", sentence, "Only test networks such as demo give coins away."));
        }
        let address = self.open(name, password)?.next_address()?.address;
        let gift = self.client(proxy)?.faucet(&address).await?;
        let value = json!({"address": address, "block_hash": gift.block_hash.to_string(), "height": gift.height});
        self.print(&value, || {
            output::line(&format!("Block {} was mined for you; its reward pays {address}.", gift.height))
        });
        Ok(())
    }

    async fn send(
        &self,
        name: &str,
        payment: &Payment<'_>,
        password: &args::Password,
        proxy: &args::ProxyUrl,
    ) -> Result<(), CliError> {
        let request = self.request(payment)?;
        // A password from standard input can be read once only, so it is read before the wallet is opened.
        let given = password.password_file.as_deref().map(prompt::password_from).transpose()?;
        let given = given.map(|secret| wallet_password(&secret)).transpose()?;
        let name = WalletName::parse(name)?;
        let mut wallet = match &given {
            Some(password) => self.folder.open(&name, Unlock::Password(password))?,
            None => self.open(&name.to_string(), password)?,
        };
        let client = self.client(proxy)?;
        wallet.sync(&client).await?;
        let draft = wallet.prepare(&request)?;
        if !self.context.json {
            self.print_review(draft.review());
        }
        if !payment.yes && !prompt::confirm("Send this?")? {
            return Err(CliError::new("send/cancelled", "nothing was sent", ""));
        }
        let password = match given {
            Some(password) => password,
            None => wallet_password(&prompt::password(&format!("Password of {name}"), None)?)?,
        };
        let transaction = wallet.sign(&draft, &password)?;
        let txid = client.broadcast(&transaction).await?;
        wallet.note_sent(&transaction)?;
        let review = draft.review();
        let value = json!({
            "txid": txid.to_string(),
            "amount": json_coins(review.amount, self.network()),
            "fee": json_coins(review.fee, self.network()),
            "vsize": review.vsize,
            "change": json_coins(review.change, self.network()),
        });
        self.print(&value, || {
            output::line(&format!("Sent. Transaction {txid}"));
            output::line("It waits until a block confirms it.");
        });
        Ok(())
    }

    fn request(&self, payment: &Payment<'_>) -> Result<PaymentRequest, CliError> {
        let fee = match (payment.fee_rate, payment.target) {
            (Some(rate), _) => FeeChoice::Rate(FeeRate::parse_sat_per_vb(rate)?),
            (None, Some(blocks)) => FeeChoice::Target { blocks },
            (None, None) => DEFAULT_FEE_TARGET,
        };
        Ok(PaymentRequest {
            recipient: parse_address(payment.to, self.network())?,
            recipient_text: payment.to.trim().to_owned(),
            amount: parse_amount(payment.amount, self.network())?,
            fee,
        })
    }

    fn print_review(&self, review: &Review) {
        let row = |name: &str, amount: Amount| vec![name.to_owned(), format_coins(amount, self.network())];
        output::line(&format!("To {}", review.recipient));
        let rows = [
            row("amount", review.amount),
            row("fee", review.fee),
            row("total", review.total),
            row("change", review.change),
            row("balance after", review.balance_after),
        ];
        output::table(&["", &self.network().ticker], &[1], &rows);
        output::line(&format!("{} virtual bytes at {}", review.vsize, review.fee_rate));
        for warning in &review.warnings {
            output::line(&format!("Look twice: {}", warning_sentence(warning)));
        }
    }
}

fn wallet_password(secret: &prompt::Secret) -> Result<Password, CliError> {
    Ok(Password::new(secret.as_str())?)
}

fn warning_sentence(warning: &Warning) -> String {
    match warning {
        Warning::HighFee { percent } => format!("the fee is {percent} % of the amount."),
        Warning::PaysSelf => "the recipient is this wallet.".to_owned(),
        Warning::NoFeeEstimate => "there are no fee estimates yet, so a low fee rate was taken.".to_owned(),
    }
}

const fn kind_word(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Words => "words",
        KeyKind::Rsa { .. } => "rsa",
        KeyKind::WordsFor { scripts: ScriptKind::Segwit } => "segwit",
        KeyKind::WordsFor { .. } => "old-style",
        KeyKind::Multisig { .. } => "multisig",
        KeyKind::Descriptor => "descriptor",
        KeyKind::WatchOnly => "watch-only",
    }
}

fn kind_sentence(kind: KeyKind) -> String {
    match kind {
        KeyKind::Words => "recovery words".to_owned(),
        KeyKind::Rsa { bits } => format!("RSA key of {bits} bits"),
        KeyKind::WordsFor { scripts: ScriptKind::Segwit } => "recovery words, native segwit".to_owned(),
        KeyKind::WordsFor { .. } => "recovery words, old-style addresses".to_owned(),
        KeyKind::Multisig { required, keys } => format!("{required} of {keys} keys"),
        KeyKind::Descriptor => "imported descriptor".to_owned(),
        KeyKind::WatchOnly => "watch-only".to_owned(),
    }
}

const fn kind_of_entry(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Received => "received",
        EntryKind::Sent => "sent",
        EntryKind::ToSelf => "to self",
        EntryKind::Reward => "reward",
    }
}

const fn state_word(state: EntryState) -> &'static str {
    match state {
        EntryState::Waiting => "waiting",
        EntryState::Confirmed => "confirmed",
        EntryState::Immature { .. } => "immature",
    }
}

/// An amount in whole coins as a JSON number with all its decimals.
fn json_coins(amount: Amount, network: &Network) -> Value {
    json_number(&format_coins(amount, network))
}

fn json_number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// Seconds since 1970 as people read them.
fn utc(seconds: u64) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]");
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(format).ok())
        .unwrap_or_default()
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
