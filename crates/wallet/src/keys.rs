//! The keys of a wallet to be made, of every kind.
//!
//! In:    words, keys that others gave, descriptors, addresses, key files.
//! Out:   [`WalletKeys`]: what [`crate::WalletFolder::create_from_keys`] makes a wallet of.
//! Never: a private key in the part that can be read without the password.

mod descriptors;

use std::collections::BTreeSet;

use mycoin_primitives::bitcoin::bip32::{ChildNumber, DerivationPath, KeySource, Xpub};
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::{Network, address_of, parse_address};
use zeroize::Zeroizing;

use crate::error::WalletError;
use crate::extended_key::ExtendedKey;
use crate::keyring::{self, Keyring, Origin, PublicKeys};
use crate::keys_error::KeysError;
use crate::passphrase::Passphrase;
use crate::rsa_key::RsaKey;
use crate::secret;
use crate::token::TokenSession;
use crate::words::RecoveryWords;

/// What a wallet's keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Recovery words (BIP39), taproot addresses (BIP86).
    Words,
    /// One RSA key, and one address that is used again and again.
    Rsa {
        /// 2048, 3072 or 4096.
        bits: u32,
    },
    /// Recovery words (BIP39) with addresses of another kind: native segwit (BIP84), or old-style ones.
    WordsFor {
        /// Which: never taproot.
        scripts: ScriptKind,
    },
    /// `required` of `keys` signatures (BIP48, P2WSH, keys sorted by BIP67).
    Multisig {
        /// How many must sign.
        required: u8,
        /// How many could.
        keys: u8,
    },
    /// An imported descriptor with private keys.
    Descriptor,
    /// One RSA key on a token (PKCS#11), and one address that is used again and again.
    Token {
        /// 2048, 3072 or 4096.
        bits: u32,
    },
    /// Everything can be seen and payments can be prepared, but the keys that sign them are elsewhere.
    WatchOnly,
}

impl KeyKind {
    /// The size of an RSA key unless told otherwise.
    pub const DEFAULT_RSA_BITS: u32 = 3072;
}

/// The scripts of a single key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScriptKind {
    /// Taproot (P2TR, BIP86).
    Taproot,
    /// Native segwit (P2WPKH, BIP84).
    Segwit,
    /// Segwit nested in P2SH (BIP49): only where the coin has old-style addresses.
    Nested,
    /// Pay to public key hash (BIP44): only where the coin has old-style addresses.
    Legacy,
}

impl ScriptKind {
    /// The first step of its accounts' paths.
    pub const fn purpose(self) -> u32 {
        match self {
            Self::Taproot => 86,
            Self::Segwit => 84,
            Self::Nested => 49,
            Self::Legacy => 44,
        }
    }

    fn descriptor(self, key: &str) -> String {
        match self {
            Self::Taproot => format!("tr({key})"),
            Self::Segwit => format!("wpkh({key})"),
            Self::Nested => format!("sh(wpkh({key}))"),
            Self::Legacy => format!("pkh({key})"),
        }
    }
}

/// The most keys that a P2WSH script of ours asks for. Source: Bitcoin Core `MAX_STANDARD_P2WSH_SCRIPT_SIZE` and
/// `MAX_PUBKEYS_PER_MULTISIG` allow 20; wallets agree on 15.
const MOST_COSIGNERS: usize = 15;
/// BIP48's last step for P2WSH.
const BIP48_P2WSH: u32 = 2;

/// The keys of a wallet to be made.
pub struct WalletKeys {
    pub(crate) kind: KeyKind,
    pub(crate) public: PublicKeys,
    /// Sealed under the password; empty where nothing signs.
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

const FAILED: WalletError = WalletError::Crypto { what: "deriving keys from the recovery words" };

/// The account's public key of words, with where it comes from.
fn account_key(words: &RecoveryWords, passphrase: &Passphrase, steps: &[u32]) -> Result<ExtendedKey, WalletError> {
    let secp = Secp256k1::new();
    let master = secret::master_key(words, passphrase)?;
    let hardened = |step: &u32| ChildNumber::from_hardened_idx(*step).map_err(|_| KeysError::AccountTooHigh);
    let path: DerivationPath = steps.iter().map(hardened).collect::<Result<Vec<_>, _>>()?.into();
    let account = master.0.derive_priv(&secp, &path).map(secret::WipedKey).map_err(|_| FAILED)?;
    let origin: KeySource = (master.0.fingerprint(&secp), path);
    Ok(ExtendedKey { key: Xpub::from_priv(&secp, &account.0), origin: Some(origin), kind: None })
}

/// The public key that the owner of these words gives to the others of a multi-signature wallet.
///
/// # Errors
///
/// [`KeysError::AccountTooHigh`].
pub fn cosigner_key(
    words: &RecoveryWords,
    passphrase: &Passphrase,
    account: u32,
    network: &Network,
) -> Result<ExtendedKey, WalletError> {
    account_key(words, passphrase, &[48, network.slip44, account, BIP48_P2WSH])
}

impl WalletKeys {
    /// Recovery words, with a passphrase or without, and the number of an account (the first is 0).
    ///
    /// # Errors
    ///
    /// [`KeysError::AccountTooHigh`]; [`KeysError::NoAddress`] for kinds that the coin has no addresses for.
    pub fn from_words(
        words: &RecoveryWords,
        passphrase: &Passphrase,
        scripts: ScriptKind,
        account: u32,
        network: &Network,
    ) -> Result<Self, WalletError> {
        let key = account_key(words, passphrase, &[scripts.purpose(), network.slip44, account])?;
        let descriptor = |chain: u32| scripts.descriptor(&format!("{key}/{chain}/*"));
        let (external, internal) = (descriptor(0), descriptor(1));
        let (kind, public) = match scripts {
            ScriptKind::Taproot => (KeyKind::Words, PublicKeys::Words { external, internal }),
            ScriptKind::Segwit | ScriptKind::Nested | ScriptKind::Legacy => {
                let public = PublicKeys::Descriptors { external, internal: Some(internal), signs: true };
                (KeyKind::WordsFor { scripts }, public)
            }
        };
        Self { kind, public, secret: secret::of_words(words, passphrase)? }.checked(network)
    }

    /// A new RSA key of 2048, 3072 or 4096 bits. The search for primes takes a while.
    ///
    /// # Errors
    ///
    /// [`WalletError::RsaNotAllowed`].
    pub fn new_rsa(bits: u32, network: &Network) -> Result<Self, WalletError> {
        if !network.rsa {
            return Err(WalletError::RsaNotAllowed { bits });
        }
        let pair = keyring::generate_rsa(bits)?;
        Ok(Self { kind: KeyKind::Rsa { bits }, public: PublicKeys::Rsa { spki: pair.spki }, secret: pair.pkcs8 })
    }

    /// An RSA key that was made elsewhere.
    ///
    /// # Errors
    ///
    /// [`WalletError::RsaNotAllowed`] on a coin without RSA locks.
    pub fn from_rsa(key: RsaKey, network: &Network) -> Result<Self, WalletError> {
        if !network.rsa {
            return Err(WalletError::RsaNotAllowed { bits: key.bits() });
        }
        let (spki, pkcs8) = key.into_parts();
        let kind = if pkcs8.is_empty() { KeyKind::WatchOnly } else { KeyKind::Rsa { bits: rsa_bits(&spki) } };
        Ok(Self { kind, public: PublicKeys::Rsa { spki }, secret: pkcs8 })
    }

    /// An RSA key on a token. The wallet file will say where it is; the key stays where it is.
    ///
    /// # Errors
    ///
    /// [`WalletError::RsaNotAllowed`] on a coin without RSA locks.
    pub fn from_token(token: &TokenSession, network: &Network) -> Result<Self, WalletError> {
        let bits = token.bits();
        if !network.rsa {
            return Err(WalletError::RsaNotAllowed { bits });
        }
        let public = PublicKeys::Token { spki: token.spki().to_vec(), place: token.place().clone() };
        Ok(Self { kind: KeyKind::Token { bits }, public, secret: Zeroizing::default() })
    }

    /// A wallet that `required` of `cosigners` spend from together. Each of them makes it from the same keys, in any order.
    ///
    /// `own`: the words of one of the keys, and their account; without them the wallet watches only.
    ///
    /// # Errors
    ///
    /// [`KeysError`]: numbers that do not fit, a key that stands twice, words that none of the keys is of.
    pub fn multisig(
        required: usize,
        cosigners: &[ExtendedKey],
        own: Option<(&RecoveryWords, &Passphrase, u32)>,
        network: &Network,
    ) -> Result<Self, WalletError> {
        let given = cosigners.len();
        let (Ok(required_byte), Ok(given_byte)) = (u8::try_from(required), u8::try_from(given)) else {
            return Err(KeysError::BadThreshold { required, given }.into());
        };
        if required == 0 || required > given || given > MOST_COSIGNERS {
            return Err(KeysError::BadThreshold { required, given }.into());
        }
        let distinct: BTreeSet<_> = cosigners.iter().map(|cosigner| cosigner.key.public_key).collect();
        if distinct.len() < given {
            return Err(KeysError::SameKeyTwice.into());
        }
        let secret = match own {
            None => Zeroizing::default(),
            Some((words, passphrase, account)) => {
                let own = cosigner_key(words, passphrase, account, network)?;
                let same = |cosigner: &&ExtendedKey| cosigner.key.to_pub() == own.key.to_pub();
                let listed = cosigners.iter().find(same).ok_or(KeysError::OwnKeyMissing)?;
                // Without the origin, or with another one, a signer would not find its own key.
                if listed.origin != own.origin || listed.key.chain_code != own.key.chain_code {
                    return Err(KeysError::OwnKeyMissing.into());
                }
                secret::of_words(words, passphrase)?
            }
        };
        let descriptor = |chain: u32| {
            let mut keys: Vec<String> = cosigners.iter().map(|key| format!("{key}/{chain}/*")).collect();
            keys.sort();
            format!("wsh(sortedmulti({required},{}))", keys.join(","))
        };
        let public = PublicKeys::Descriptors {
            external: descriptor(0),
            internal: Some(descriptor(1)),
            signs: !secret.is_empty(),
        };
        let kind = KeyKind::Multisig { required: required_byte, keys: given_byte };
        Self { kind, public, secret }.checked(network)
    }

    /// An account whose private key is elsewhere. `scripts` overrides what the key's first letters say; with neither,
    /// taproot.
    ///
    /// # Errors
    ///
    /// [`KeysError::NoAddress`] for kinds that the coin has no addresses for.
    pub fn watch_account(
        key: &ExtendedKey,
        scripts: Option<ScriptKind>,
        network: &Network,
    ) -> Result<Self, WalletError> {
        let scripts = scripts.or(key.kind).unwrap_or(ScriptKind::Taproot);
        let descriptor = |chain: u32| scripts.descriptor(&format!("{key}/{chain}/*"));
        let (external, internal) = (descriptor(0), Some(descriptor(1)));
        let public = PublicKeys::Descriptors { external, internal, signs: false };
        Self { kind: KeyKind::WatchOnly, public, secret: Zeroizing::default() }.checked(network)
    }

    /// One address.
    ///
    /// # Errors
    ///
    /// [`KeysError::Address`].
    pub fn watch_address(address: &str, network: &Network) -> Result<Self, WalletError> {
        let script = parse_address(address, network).map_err(KeysError::Address)?;
        let public = PublicKeys::Script { script };
        Ok(Self { kind: KeyKind::WatchOnly, public, secret: Zeroizing::default() })
    }

    /// What kind of wallet they make.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The first address that such a wallet would hand out, to be compared before anything is made.
    ///
    /// # Errors
    ///
    /// [`WalletError::Crypto`] when it cannot be derived.
    pub fn first_address(&self, network: &Network) -> Result<String, WalletError> {
        let keyring = Keyring::open(&self.public, self.kind);
        let script = keyring.and_then(|keyring| keyring.script_at(Origin::FIRST));
        let address = script.and_then(|script| address_of(&script, network));
        address.ok_or(WalletError::Keys(KeysError::NoAddress))
    }

    /// The scripts of the wallet that they would make.
    pub(crate) fn keyring(&self) -> Result<Keyring, WalletError> {
        Keyring::open(&self.public, self.kind).ok_or(WalletError::Keys(KeysError::NotUnderstood))
    }

    /// The same keys, if a wallet can be made of them.
    fn checked(self, network: &Network) -> Result<Self, WalletError> {
        let keyring = Keyring::open(&self.public, self.kind).ok_or(KeysError::NotUnderstood)?;
        for keychain in keyring.keychains() {
            let script = keyring.script_at(Origin { keychain: *keychain, index: 0 }).ok_or(KeysError::NotUnderstood)?;
            address_of(&script, network).ok_or(KeysError::NoAddress)?;
        }
        Ok(self)
    }
}

fn rsa_bits(spki: &[u8]) -> u32 {
    mycoin_script::rsa::check_spki(spki).map_or(0, mycoin_script::rsa::KeySize::bits)
}
