//! Why a key on a token cannot be used.

use std::path::PathBuf;

use mycoin_primitives::Failure;

/// Why a token (a smart card, a security key, a hardware security module) could not be used. Names come from the token,
/// with everything that is no plain character taken out.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The token's PKCS#11 library could not be loaded.
    #[error("the PKCS#11 module {path} cannot be used: {reason}", path = path.display())]
    Module {
        /// The library.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// No slot holds a token that was set up.
    #[error("no token is plugged in")]
    NoToken,
    /// None of the tokens is the one that is asked for.
    #[error("the token “{wanted}” is not plugged in; there is {}", listed(found))]
    TokenNotFound {
        /// Its label.
        wanted: String,
        /// The labels of those that are.
        found: Vec<String>,
    },
    /// Which one was not said.
    #[error("there are several tokens: {}", listed(found))]
    SeveralTokens {
        /// Their labels.
        found: Vec<String>,
    },
    /// Not the PIN.
    #[error("the PIN is wrong{}", if *last_try { ", and one more wrong one locks the token" } else { "" })]
    WrongPin {
        /// Whether the token says that one try is left.
        last_try: bool,
    },
    /// Too short or too long to be one.
    #[error("the token takes no PIN of that length or with these characters")]
    PinForm,
    /// Too many wrong ones.
    #[error("the token's PIN is locked after too many wrong ones")]
    PinLocked,
    /// The token was never given one, or it must be changed first.
    #[error("the token has no PIN of its own yet")]
    PinNotSet,
    /// No RSA key.
    #[error("the token holds no RSA key that signs")]
    NoKey,
    /// None of the keys is the one that is asked for.
    #[error("the token has no RSA key “{wanted}”; it has {}", listed(found))]
    KeyNotFound {
        /// Its label or id.
        wanted: String,
        /// The labels and ids of those that it has.
        found: Vec<String>,
    },
    /// Which one was not said.
    #[error("the token has several RSA keys: {}", listed(found))]
    SeveralKeys {
        /// Their labels and ids.
        found: Vec<String>,
    },
    /// Made for other purposes.
    #[error("the key on the token may not be used for signing")]
    CannotSign,
    /// A key that wants the PIN anew for every signature.
    #[error("the key on the token asks for the PIN at each signature, which is not possible here")]
    AsksEachTime,
    /// Not 2048, 3072 or 4096 bits.
    #[error("the key on the token has {bits} bits, and RSA locks take 2048, 3072 or 4096")]
    Size {
        /// The key's size.
        bits: usize,
    },
    /// Not 65537.
    #[error("the public exponent of the key on the token is not 65537, the only one that RSA locks take")]
    Exponent,
    /// The hardware knows PKCS#1 v1.5 signatures only.
    #[error("the token cannot make PSS signatures (RSA-PSS with SHA-256), which RSA locks need")]
    NoPss,
    /// Another key than the wallet's.
    #[error("the key of this wallet is not on the token")]
    OtherKey,
    /// What it signed does not hold.
    #[error("the token made a signature that does not hold")]
    WrongSignature,
    /// The wallet's key is in the wallet file.
    #[error("this wallet's keys are not on a token")]
    NotOnToken,
    /// The wallet's key is on a token, and it was to be signed without.
    #[error("this wallet's key is on a token")]
    OnToken,
    /// Anything else.
    #[error("the token failed ({what}): {reason}")]
    Failed {
        /// In which step.
        what: &'static str,
        /// What its library says.
        reason: String,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("“{name}”")).collect::<Vec<_>>().join(", ")
}

impl Failure for TokenError {
    fn code(&self) -> &'static str {
        match self {
            Self::Module { .. } => "token/module",
            Self::NoToken => "token/none",
            Self::TokenNotFound { .. } => "token/not-found",
            Self::SeveralTokens { .. } => "token/several",
            Self::WrongPin { .. } => "token/wrong-pin",
            Self::PinForm => "token/pin-form",
            Self::PinLocked => "token/pin-locked",
            Self::PinNotSet => "token/pin-not-set",
            Self::NoKey => "token/no-key",
            Self::KeyNotFound { .. } => "token/key-not-found",
            Self::SeveralKeys { .. } => "token/several-keys",
            Self::CannotSign => "token/cannot-sign",
            Self::AsksEachTime => "token/asks-each-time",
            Self::Size { .. } => "token/key-size",
            Self::Exponent => "token/key-exponent",
            Self::NoPss => "token/no-pss",
            Self::OtherKey => "token/other-key",
            Self::WrongSignature => "token/wrong-signature",
            Self::NotOnToken => "token/not-on-token",
            Self::OnToken => "token/on-token",
            Self::Failed { .. } => "token/failed",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Module { .. } => {
                "Give the path of the library that came with the token, such as /usr/lib/softhsm/libsofthsm2.so."
            }
            Self::NoToken => "Plug the token in, and set it up with its maker's program if it is new.",
            Self::TokenNotFound { .. } => "Plug that token in, or give the label of another with --token.",
            Self::SeveralTokens { .. } => "Say which one with --token LABEL.",
            Self::WrongPin { .. } => "Try again with the right PIN. Too many wrong ones lock the token.",
            Self::PinForm => "Type the PIN again.",
            Self::PinLocked => "Unlock it with the token's own program and its security officer's PIN.",
            Self::PinNotSet => "Set a PIN with the token's own program.",
            Self::NoKey => "Make an RSA key of 2048, 3072 or 4096 bits on it with the token's own program.",
            Self::KeyNotFound { .. } | Self::SeveralKeys { .. } => "Say which one with --key LABEL or --key ID.",
            Self::CannotSign => "Make another key on the token, one that is meant for signing.",
            Self::AsksEachTime => "Use a key that is unlocked once, without CKA_ALWAYS_AUTHENTICATE.",
            Self::Size { .. } | Self::Exponent => {
                "Make another key on the token: 2048, 3072 or 4096 bits, exponent 65537."
            }
            Self::NoPss => "Use a token that has the mechanism CKM_RSA_PKCS_PSS or CKM_SHA256_RSA_PKCS_PSS.",
            Self::OtherKey => "Plug in the token that the wallet was made with.",
            Self::WrongSignature => "Nothing was signed. Do not trust this token or its module.",
            Self::NotOnToken => "Sign with the wallet's password.",
            Self::OnToken => "Sign with the token and its PIN.",
            Self::Failed { .. } => "Take the token out and plug it in again.",
        }
    }
}
