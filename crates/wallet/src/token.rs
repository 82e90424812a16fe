//! RSA keys on hardware: a smart card, a security key or a hardware security module, through its PKCS#11 library.
//!
//! In:    the library's path, which token and which key, the token's PIN.
//! Out:   the public key for a new wallet; signatures.
//! Never: the private key, which stays on the token; the PIN kept anywhere; a signature that was not checked.
//!
//! Source: PKCS#11 v2.40; PSS as `docs/rsa-lock.md` asks for it: SHA-256, MGF1 with SHA-256, a salt of 32 bytes.

mod error;
mod keys;

use std::path::{Path, PathBuf};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::ObjectHandle;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::{AuthPin, Ulong};
use mycoin_primitives::hashes::{Hash as _, sha256};
use mycoin_script::rsa::{self, KeySize, check_spki};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::vault;
pub use error::TokenError;

/// The PIN of a token. Wiped from memory when dropped; deliberately without `Debug`.
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// Takes a PIN as it was typed; the token says whether it is one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }
}

/// Where a wallet's key is. Stands in the wallet file: nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPlace {
    /// The token's PKCS#11 library.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// Its serial number, which tells it from others of the same label.
    pub serial: String,
    /// The key's label; may be empty.
    pub key: String,
    /// The key's id in hexadecimal; may be empty.
    pub key_id: String,
}

/// A key on a token that is plugged in and unlocked. It is locked again when this is dropped.
pub struct TokenSession {
    place: TokenPlace,
    spki: Vec<u8>,
    size: KeySize,
    is_extractable: bool,
    key: ObjectHandle,
    pss: Pss,
    session: Session,
    /// After the session: what is last here goes last.
    _module: Module,
}

/// How a token makes PSS signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pss {
    /// It hashes the message itself.
    Hashing,
    /// It takes the hash.
    Hashed,
}

impl Pss {
    /// The way that these mechanisms allow.
    fn of(mechanisms: &[MechanismType]) -> Option<Self> {
        if mechanisms.contains(&MechanismType::SHA256_RSA_PKCS_PSS) {
            return Some(Self::Hashing);
        }
        mechanisms.contains(&MechanismType::RSA_PKCS_PSS).then_some(Self::Hashed)
    }
}

/// A loaded library. Whoever started it ends it.
struct Module {
    client: Option<Pkcs11>,
    is_ours: bool,
}

impl Module {
    fn load(path: &Path) -> Result<Self, TokenError> {
        let failed = |error: Error| TokenError::Module { path: path.to_owned(), reason: plain(&error.to_string()) };
        let client = Pkcs11::new(path).map_err(failed)?;
        let is_ours = match client.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) => true,
            Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => false,
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { client: Some(client), is_ours })
    }

    fn client(&self) -> Result<&Pkcs11, TokenError> {
        let gone = || TokenError::Failed { what: "loading its module", reason: "it was ended".to_owned() };
        self.client.as_ref().ok_or_else(gone)
    }

    /// The tokens that are plugged in and were set up.
    fn tokens(&self) -> Result<Vec<(Slot, TokenInfo)>, TokenError> {
        let client = self.client()?;
        let slots = client.get_slots_with_initialized_token().map_err(failed("looking for tokens"))?;
        // One that is pulled out meanwhile is not there.
        Ok(slots.into_iter().filter_map(|slot| Some((slot, client.get_token_info(slot).ok()?))).collect())
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Some(client) = self.client.take().filter(|_| self.is_ours) {
            let _it_ends_with_the_process_too = client.finalize();
        }
    }
}

impl TokenSession {
    /// Unlocks a token and finds the RSA key on it: the only one, or that of this label or (hexadecimal) id. The key is
    /// tried: it signs something that is no payment.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    pub fn open(module: &Path, token: Option<&str>, key: Option<&str>, pin: &Pin) -> Result<Self, TokenError> {
        // Kept in the file, and used from any folder later.
        let module = std::path::absolute(module).unwrap_or_else(|_| module.to_owned());
        let loaded = Module::load(&module)?;
        let (slot, info) = only_token(loaded.tokens()?, token)?;
        let (session, pss) = unlock(&loaded, slot, &info, pin)?;
        let found = keys::only_key(keys::keys(&session)?, key)?;
        let (spki, size) = found.public_key(&session)?;
        let place = TokenPlace {
            module,
            token: plain(info.label()),
            serial: plain(info.serial_number()),
            key: found.label,
            key_id: found.id,
        };
        let is_extractable = found.is_extractable;
        let open = Self { place, spki, size, is_extractable, key: found.handle, pss, session, _module: loaded };
        open.try_out()?;
        Ok(open)
    }

    /// Unlocks the token of a wallet and finds its key again.
    pub(crate) fn reopen(place: &TokenPlace, spki: &[u8], pin: &Pin) -> Result<Self, TokenError> {
        let loaded = Module::load(&place.module)?;
        let tokens = loaded.tokens()?;
        let found = tokens.iter().map(|(_, info)| plain(info.label())).collect();
        let mut same = tokens.into_iter().filter(|(_, info)| plain(info.serial_number()) == place.serial);
        let absent = || TokenError::TokenNotFound { wanted: place.token.clone(), found };
        let (slot, info) = same.next().ok_or_else(absent)?;
        let (session, pss) = unlock(&loaded, slot, &info, pin)?;
        let ours = |key: &keys::FoundKey| key.public_key(&session).is_ok_and(|(public, _)| public == spki);
        let key = keys::keys(&session)?.into_iter().find(ours).ok_or(TokenError::OtherKey)?;
        let size = check_spki(spki).map_err(|_| TokenError::OtherKey)?;
        let (spki, place) = (spki.to_vec(), place.clone());
        let is_extractable = key.is_extractable;
        Ok(Self { place, spki, size, is_extractable, key: key.handle, pss, session, _module: loaded })
    }

    /// Where the key is.
    pub fn place(&self) -> &TokenPlace {
        &self.place
    }

    /// The size of the key in bits.
    pub fn bits(&self) -> u32 {
        self.size.bits()
    }

    /// Whether the token would give the private key out, so that it is worth no more than a file.
    pub fn is_extractable(&self) -> bool {
        self.is_extractable
    }

    /// DER SubjectPublicKeyInfo.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Signs a message. The signature was checked when this returns.
    ///
    /// # Errors
    ///
    /// [`TokenError::WrongSignature`], [`TokenError::Failed`].
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        const SALT: Ulong = Ulong::new(32);
        let params = PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: SALT };
        let hash = sha256::Hash::hash(message);
        let (mechanism, data) = match self.pss {
            Pss::Hashing => (Mechanism::Sha256RsaPkcsPss(params), message),
            Pss::Hashed => (Mechanism::RsaPkcsPss(params), hash.as_byte_array().as_slice()),
        };
        let signature = self.session.sign(&mechanism, self.key, data).map_err(|error| match error {
            // Some list what they cannot do.
            Error::Pkcs11(RvError::MechanismInvalid | RvError::MechanismParamInvalid, _) => TokenError::NoPss,
            Error::Pkcs11(RvError::KeyFunctionNotPermitted, _) => TokenError::CannotSign,
            // We are logged in: that is for all keys but those.
            Error::Pkcs11(RvError::UserNotLoggedIn, _) => TokenError::AsksEachTime,
            other => failed("signing")(other),
        })?;
        if rsa::verify(&self.spki, message, &signature) { Ok(signature) } else { Err(TokenError::WrongSignature) }
    }

    /// Whether the key signs as it must, and its public exponent, which not every token tells, is 65537.
    fn try_out(&self) -> Result<(), TokenError> {
        let failed = |_| TokenError::Failed { what: "trying the key", reason: "there is no randomness".to_owned() };
        let random = vault::random::<16>().map_err(failed)?;
        // Longer than what a payment's signature signs.
        let message = [b"mycoin: trying a token's key, which pays nothing ", random.as_slice()].concat();
        self.sign(&message).map(|_| ())
    }
}

/// Logs in, and says how the token makes PSS signatures.
fn unlock(module: &Module, slot: Slot, info: &TokenInfo, pin: &Pin) -> Result<(Session, Pss), TokenError> {
    let client = module.client()?;
    let mechanisms = client.get_mechanism_list(slot).map_err(failed("asking what it can do"))?;
    let pss = Pss::of(&mechanisms).ok_or(TokenError::NoPss)?;
    let session = client.open_ro_session(slot).map_err(failed("opening a session"))?;
    // Where the token has keys of its own to type the PIN, no other is looked at.
    let typed = AuthPin::from(pin.0.as_str());
    let given = (!info.protected_authentication_path()).then_some(&typed);
    match session.login(UserType::User, given) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok((session, pss)),
        Err(Error::Pkcs11(RvError::PinIncorrect, _)) => {
            let last_try = client.get_token_info(slot).is_ok_and(|info| info.user_pin_final_try());
            Err(TokenError::WrongPin { last_try })
        }
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(TokenError::PinLocked),
        Err(Error::Pkcs11(RvError::PinInvalid | RvError::PinLenRange | RvError::ArgumentsBad, _)) => {
            Err(TokenError::PinForm)
        }
        Err(Error::Pkcs11(RvError::UserPinNotInitialized | RvError::PinExpired, _)) => Err(TokenError::PinNotSet),
        Err(other) => Err(failed("logging in")(other)),
    }
}

/// The only token, or the only one of that label.
fn only_token(tokens: Vec<(Slot, TokenInfo)>, wanted: Option<&str>) -> Result<(Slot, TokenInfo), TokenError> {
    let found: Vec<String> = tokens.iter().map(|(_, info)| plain(info.label())).collect();
    if found.is_empty() {
        return Err(TokenError::NoToken);
    }
    let fits = |info: &TokenInfo| wanted.is_none_or(|wanted| plain(info.label()) == wanted);
    let mut fitting = tokens.into_iter().filter(|(_, info)| fits(info));
    match (fitting.next(), fitting.next(), wanted) {
        (Some(token), None, _) => Ok(token),
        (None, _, Some(wanted)) => Err(TokenError::TokenNotFound { wanted: plain(wanted), found }),
        _ => Err(TokenError::SeveralTokens { found }),
    }
}

/// Text of a token, fit to be shown.
fn plain(text: &str) -> String {
    const LONGEST: usize = 64;
    let kept = text.chars().filter(|character| !character.is_control());
    kept.take(LONGEST).collect::<String>().trim().to_owned()
}

fn failed(what: &'static str) -> impl FnOnce(Error) -> TokenError {
    move |error| TokenError::Failed { what, reason: plain_reason(&error) }
}

fn plain_reason(error: &Error) -> String {
    match error {
        // The library explains these at length, for programmers.
        Error::Pkcs11(code, _) => format!("{code:?}"),
        other => plain(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_is_written_in_the_one_form_that_locks_take() {
        let file = include_bytes!("../tests/files/keys/public.pem");
        let (spki_there, _) = crate::RsaKey::import_public(file).expect("a key").into_parts();
        let size = check_spki(&spki_there).expect("an allowed key");
        let modulus = &spki_there[33..33 + size.modulus_bytes()];
        assert_eq!(keys::spki(modulus), spki_there);
    }

    #[test]
    fn hardware_without_pss_is_told_apart() {
        assert_eq!(Pss::of(&[]), None);
        assert_eq!(Pss::of(&[MechanismType::RSA_PKCS, MechanismType::SHA256_RSA_PKCS]), None);
        assert_eq!(Pss::of(&[MechanismType::RSA_PKCS_PSS]), Some(Pss::Hashed));
        let both = [MechanismType::RSA_PKCS_PSS, MechanismType::SHA256_RSA_PKCS_PSS];
        assert_eq!(Pss::of(&both), Some(Pss::Hashing));
    }

    #[test]
    fn what_a_token_calls_itself_is_shown_as_plain_text() {
        assert_eq!(plain("card\u{1b}[2J\n  "), "card[2J");
        assert_eq!(plain(&"x".repeat(1_000)).len(), 64);
    }

    #[test]
    fn a_file_that_is_no_module_is_named() {
        let nowhere = Path::new("/nowhere/at/all.so");
        let refused = TokenSession::open(nowhere, None, None, &Pin::new("1234")).map(|_| ());
        assert!(matches!(refused, Err(TokenError::Module { path, .. }) if path == nowhere));
    }
}
