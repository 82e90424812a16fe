//! Signed messages: a proof that whoever can spend from an address has agreed to a text.
//!
//! In:    a message, byte by byte; an address; to sign, the password or the token.
//! Out:   a signature as text, which anybody can check who knows address and message. Checking needs no wallet.
//! Never: a signature that could be taken for a payment's.
//!
//! Taproot and native segwit addresses of one key sign as BIP322 has it (its simple form), RSA locks as
//! `docs/rsa-message.md` has it.

mod bip322;
mod error;
mod rsa;

use mycoin_primitives::{Network, Script, parse_address};
use mycoin_script::rsa::lock_program;

use crate::keyring::Keyring;
use crate::signer::Signer;
use crate::wallet::Wallet;
pub use error::MessageError;

/// How an address signs messages.
enum Format {
    Bip322,
    Rsa,
}

impl Format {
    /// The format for a script on that coin.
    fn of(script: &Script, network: &Network) -> Result<Self, MessageError> {
        if network.rsa && lock_program(script).is_some() {
            return Ok(Self::Rsa);
        }
        if script.is_p2tr() || script.is_p2wpkh() {
            return Ok(Self::Bip322);
        }
        Err(MessageError::KindOfAddress)
    }
}

/// Checks that the owner of `address` signed exactly this message.
///
/// # Errors
///
/// [`MessageError`] says what does not fit, as far as it can be known.
pub fn verify_message(address: &str, message: &[u8], signature: &str, network: &Network) -> Result<(), MessageError> {
    let script = parse_address(address, network)?;
    match Format::of(&script, network)? {
        Format::Bip322 => bip322::verify(&script, message, signature, network),
        Format::Rsa => rsa::verify(&script, message, signature),
    }
}

impl Wallet {
    /// Signs a message with the key of one of the wallet's addresses. The signature was checked when this returns.
    ///
    /// # Errors
    ///
    /// [`MessageError::NotOurs`], [`MessageError::KindOfAddress`], [`MessageError::Wallet`] for a wrong password.
    pub fn sign_message<'a>(
        &self,
        address: &str,
        message: &[u8],
        signer: impl Into<Signer<'a>>,
    ) -> Result<String, MessageError> {
        let script = parse_address(address, self.network())?;
        if self.keyring.origin(&script).is_none() {
            return Err(MessageError::NotOurs);
        }
        let format = Format::of(&script, self.network())?;
        let text = match (format, &self.keyring) {
            (Format::Rsa, Keyring::Rsa(keys)) => rsa::sign(keys, message, &self.rsa_signer(keys, signer.into())?)?,
            (Format::Bip322, _) => bip322::sign(self, &script, message, signer.into())?,
            // An address of another's lock, which is only looked at.
            (Format::Rsa, _) => return Err(crate::WalletError::WatchOnly.into()),
        };
        verify_message(address, message, &text, self.network())?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
