//! What makes a wallet's signatures: the password that opens its secret, or the token that holds its key.

use crate::error::WalletError;
use crate::keyring::{RsaKeyring, RsaSigner};
use crate::password::Password;
use crate::token::{TokenError, TokenSession};
use crate::wallet::Wallet;

/// What makes a wallet's signatures.
#[derive(Clone, Copy)]
pub enum Signer<'a> {
    /// The password of a wallet whose secret is in its file.
    Password(&'a Password),
    /// The unlocked token of a wallet whose key is there: see [`Wallet::unlock_token`].
    Token(&'a TokenSession),
}

impl<'a> From<&'a Password> for Signer<'a> {
    fn from(password: &'a Password) -> Self {
        Self::Password(password)
    }
}

impl<'a> From<&'a TokenSession> for Signer<'a> {
    fn from(token: &'a TokenSession) -> Self {
        Self::Token(token)
    }
}

impl<'a> Signer<'a> {
    /// The password, for keys that are in the file.
    pub(crate) fn password(self) -> Result<&'a Password, WalletError> {
        match self {
            Self::Password(password) => Ok(password),
            Self::Token(_) => Err(TokenError::NotOnToken.into()),
        }
    }
}

impl Wallet {
    /// What signs for the wallet's RSA key.
    pub(crate) fn rsa_signer<'a>(&self, keys: &RsaKeyring, signer: Signer<'a>) -> Result<RsaSigner<'a>, WalletError> {
        match signer {
            Signer::Password(password) => {
                let key = keys.private_key(&self.secret(password)?);
                let key = key.ok_or(WalletError::Crypto { what: "reading the RSA key" })?;
                Ok(RsaSigner::Key(Box::new(key)))
            }
            Signer::Token(_) if self.token().is_none() => Err(TokenError::NotOnToken.into()),
            Signer::Token(token) if token.spki() == keys.spki() => Ok(RsaSigner::Token(token)),
            Signer::Token(_) => Err(TokenError::OtherKey.into()),
        }
    }
}
