//! Keys on a PKCS#11 token: choosing one for a new wallet, and unlocking it to sign.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;
use mycoin_wallet::{Password, Signer, TokenPlace, TokenSession, Unlock, Wallet, WalletKeys, WalletName};

use super::{Session, wallet_password};
use crate::error::CliError;
use crate::{args, prompt};

/// Which key of which token a new wallet has.
#[derive(Args)]
pub(crate) struct TokenChoice {
    /// Token: its PKCS#11 library, such as /usr/lib/softhsm/libsofthsm2.so.
    #[arg(long, value_name = "PATH")]
    module: Option<PathBuf>,
    /// Token: its label [default: the only one].
    #[arg(long, value_name = "LABEL")]
    token: Option<String>,
    /// Token: the key's label or its id in hexadecimal [default: the only RSA key].
    #[arg(long, value_name = "LABEL|ID")]
    key: Option<String>,
    #[command(flatten)]
    pin: Pin,
}

/// How a token is unlocked without a person.
#[derive(Args)]
pub(crate) struct Pin {
    /// The file that holds the token's PIN; - for standard input [default: ask].
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

impl TokenChoice {
    /// Whether a token was asked for without a word of its kind.
    pub(super) fn is_given(&self) -> bool {
        self.module.is_some()
    }
}

impl Pin {
    /// Whether it is read from standard input.
    pub(super) fn is_standard_input(&self) -> bool {
        is_standard_input(self.pin_file.as_deref())
    }

    fn ask(&self, token: &str) -> Result<mycoin_wallet::Pin, CliError> {
        let question = format!("PIN of the token “{token}”");
        if self.pin_file.is_none() && !std::io::stdin().is_terminal() {
            let sentence = format!("“{question}” cannot be asked: standard input is no terminal");
            return Err(CliError::usage(sentence, "Give --pin-file FILE (- for standard input)."));
        }
        Ok(mycoin_wallet::Pin::new(prompt::password(&question, self.pin_file.as_deref())?.as_str()))
    }
}

/// Whether that file is standard input.
pub(super) fn is_standard_input(file: Option<&Path>) -> bool {
    file == Some(Path::new("-"))
}

/// What signs for a wallet, unlocked.
pub(super) enum Key {
    Password(Password),
    Token(Box<TokenSession>),
}

impl Key {
    pub(super) fn signer(&self) -> Signer<'_> {
        match self {
            Self::Password(password) => password.into(),
            Self::Token(token) => token.as_ref().into(),
        }
    }
}

impl Session<'_> {
    /// The keys of a new wallet whose key stays on a token.
    pub(super) fn token_keys(&self, choice: &TokenChoice) -> Result<WalletKeys, CliError> {
        let Some(module) = &choice.module else {
            let next = "Give --module PATH: the library that came with the token.";
            return Err(CliError::usage("the token's PKCS#11 library is missing", next));
        };
        let pin = choice.pin.ask(choice.token.as_deref().unwrap_or("the only one"))?;
        let token = TokenSession::open(module, choice.token.as_deref(), choice.key.as_deref(), &pin)?;
        if !self.context.json {
            eprintln!("The key is {}.", place_sentence(token.place()));
            if token.is_extractable() {
                eprintln!("Look twice: this token would give the private key to whoever has the PIN.");
            }
        }
        Ok(WalletKeys::from_token(&token, self.network())?)
    }

    /// Opens a wallet whose password may be needed once more. What comes from standard input can be read once only.
    pub(super) fn open_to_sign(
        &self,
        name: &str,
        password: &args::Password,
    ) -> Result<(Wallet, Option<Password>), CliError> {
        let given = password.password_file.as_deref().map(prompt::password_from).transpose()?;
        let Some(given) = given.map(|secret| wallet_password(&secret)).transpose()? else {
            return Ok((self.open(name, password)?, None));
        };
        let wallet = self.folder.open(&WalletName::parse(name)?, Unlock::Password(&given))?;
        Ok((wallet, Some(given)))
    }

    /// What signs for the wallet: its password, or its token. Asks for what was not given.
    pub(super) fn key(&self, wallet: &Wallet, given: Option<Password>, pin: &Pin) -> Result<Key, CliError> {
        if let Some(place) = wallet.token() {
            let pin = pin.ask(&place.token)?;
            return Ok(Key::Token(Box::new(wallet.unlock_token(&pin)?)));
        }
        match given {
            Some(password) => Ok(Key::Password(password)),
            None => {
                let question = format!("Password of {}", wallet.name());
                Ok(Key::Password(wallet_password(&prompt::password(&question, None)?)?))
            }
        }
    }
}

/// Where a key is, in words.
fn place_sentence(place: &TokenPlace) -> String {
    let key = if place.key.is_empty() { format!("with id {}", place.key_id) } else { format!("“{}”", place.key) };
    format!("{key} on the token “{}” (serial number {})", place.token, place.serial)
}
