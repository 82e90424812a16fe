//! What can go wrong, in words that never hold a secret.

use std::path::PathBuf;

use mycoin_files::FilesError;
use mycoin_light::{LightError, ProofError};
use mycoin_primitives::{Failure, Height, OutPoint, Txid};

use crate::keys_error::KeysError;
use crate::name::WalletName;
use crate::token::TokenError;

/// Why a wallet could not be made, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The name is taken.
    #[error("a wallet named {name} exists already, and it was left untouched")]
    Exists {
        /// The name.
        name: WalletName,
    },
    /// No such wallet.
    #[error("there is no wallet named {name}")]
    NotFound {
        /// The name.
        name: WalletName,
    },
    /// Another program has it open.
    #[error("the wallet {name} is open in another program")]
    InUse {
        /// The name.
        name: WalletName,
    },
    /// The password does not open it.
    #[error("the password is wrong")]
    WrongPassword,
    /// It was locked, or its viewing key is of an older password.
    #[error("the wallet {name} is locked")]
    Locked {
        /// The name.
        name: WalletName,
    },
    /// Its bytes are not what was written.
    #[error("the wallet file {path} is damaged: {what}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part, for whoever helps to rescue it.
        what: &'static str,
    },
    /// Written by a later version of this program.
    #[error("the wallet file {path} was written by a newer version of this program", path = path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to another coin.
    #[error("the wallet file {path} belongs to another coin", path = path.display())]
    OtherNetwork {
        /// The file.
        path: PathBuf,
    },
    /// An RSA key of a size that no lock takes, or RSA on a coin without RSA locks.
    #[error("an RSA key of {bits} bits cannot be used here")]
    RsaNotAllowed {
        /// The size that was asked for.
        bits: u32,
    },
    /// It has no key that signs.
    #[error("this wallet only watches: the keys that sign for it are elsewhere")]
    WatchOnly,
    /// Its keys are not of recovery words.
    #[error("this wallet has no recovery words")]
    NoWords,
    /// The keys that were given make no wallet.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The token that holds the key, or should.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The operating system's randomness failed, so no key may be made.
    #[error("the operating system gave no randomness, so no key was made")]
    NoRandomness,
    /// The memory that password hashing needs was not to be had, or a cryptographic library refused to work.
    #[error("{what} failed")]
    Crypto {
        /// Which step.
        what: &'static str,
    },
    /// A file could not be used.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// Why a payment could not be made. Amounts stand in the sentences as people read them.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// Paying nothing.
    #[error("the amount is zero")]
    AmountIsZero,
    /// So little that it would cost more to spend than it is worth; nodes would not pass it on.
    #[error("the amount {amount} is too small to be sent (dust): the smallest payment to this address is {min}")]
    AmountIsDust {
        /// The amount.
        amount: String,
        /// The least that can be paid to this recipient.
        min: String,
    },
    /// The coins do not reach.
    #[error("not enough: {0}")]
    NotEnough(Box<Shortage>),
    /// The coins that were named do not reach.
    #[error("not enough: the payment needs {needed} with its fee, and the coins that were named hold {held}")]
    NamedNotEnough {
        /// Amount plus fee.
        needed: String,
        /// What the named coins hold.
        held: String,
    },
    /// Nobody is paid.
    #[error("no recipient was named")]
    NoRecipient,
    /// Two recipients cannot both get all that is left.
    #[error("only one recipient can get max, all that is left")]
    MaxTwice,
    /// The wallet has no such coin.
    #[error("the wallet has no unspent coin {coin}")]
    CoinUnknown {
        /// The coin.
        coin: OutPoint,
    },
    /// The person froze it.
    #[error("the coin {coin} is frozen, so no payment may spend it")]
    CoinFrozen {
        /// The coin.
        coin: OutPoint,
    },
    /// It waits for a block, or is immature.
    #[error("the coin {coin} cannot be spent yet")]
    CoinNotReady {
        /// The coin.
        coin: OutPoint,
    },
    /// So much that it can only be a mistake.
    #[error("the fee of {fee} ({rate}) is so high that it looks like a mistake, so nothing was prepared")]
    FeeAbsurd {
        /// The fee, with its ticker.
        fee: String,
        /// Its rate.
        rate: String,
    },
    /// Larger than any transaction that nodes pass on.
    #[error("the payment would take {vsize} virtual bytes, and nodes pass on at most {limit}")]
    TooLarge {
        /// Its size.
        vsize: u64,
        /// The largest.
        limit: u64,
    },
    /// Below what nodes pass on.
    #[error("a fee rate of {given} is below the lowest that nodes pass on, {min}")]
    FeeTooLow {
        /// What was asked for.
        given: String,
        /// The least.
        min: String,
    },
    /// The recipient's script is one that nobody could ever spend or that nodes refuse.
    #[error("this kind of address cannot be paid yet")]
    RecipientNotStandard,
    /// The draft spends coins that are gone, or belongs to another wallet.
    #[error("the wallet has changed since this payment was prepared")]
    DraftOutdated,
    /// It takes signatures of keys that are elsewhere.
    #[error("this payment needs signatures of others as well")]
    NeedsOthers,
    /// What was signed would be refused by every node, so it was not handed out.
    #[error("the signature of input {input} does not hold, so the payment was not made: {reason}")]
    SignatureRefused {
        /// The input.
        input: usize,
        /// The rule that it breaks.
        reason: String,
    },
    /// The password is wrong or the wallet file is unusable.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

/// Why the wallet could not be brought up to date. Its balance stays what it was.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The proxy did not answer as it should.
    #[error(transparent)]
    Proxy(#[from] LightError),
    /// The proxy showed a confirmed transaction without a valid proof.
    #[error("the proxy's proof for transaction {txid} does not hold, so nothing was changed: {source}")]
    BadProof {
        /// The transaction.
        txid: Txid,
        /// What is wrong with it.
        #[source]
        source: ProofError,
    },
    /// The proxy showed block headers that break a rule.
    #[error("the block headers of {proxy} are wrong, so nothing was changed: {source}")]
    BadHeaders {
        /// The proxy's address.
        proxy: String,
        /// What is wrong with them.
        #[source]
        source: ProofError,
    },
    /// The proxy follows another chain than the one with the most work.
    #[error(
        "{proxy} follows another chain, with no more work than the one that is known: it is stale or lies, so nothing was changed"
    )]
    LessWork {
        /// The proxy's address.
        proxy: String,
    },
    /// Nobody to ask.
    #[error("no proxy was named")]
    NoProxy,
    /// The proxy's answers do not fit each other.
    #[error("the proxy's answers contradict each other ({what}), so nothing was changed")]
    Contradiction {
        /// In what.
        what: &'static str,
    },
    /// The proxy is still reading blocks that the wallet knows.
    #[error("the proxy is behind: it knows block {proxy}, and block {wallet} is known already")]
    ProxyBehind {
        /// The proxy's tip.
        proxy: Height,
        /// The wallet's.
        wallet: Height,
    },
    /// The chain moved each time while the wallet was looking.
    #[error("new blocks came faster than the wallet could look at them")]
    ChainKeepsMoving,
    /// The wallet file could not be written.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

/// What is missing, and why not all that is there can be spent; in amounts as people read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// Amount plus fee.
    pub needed: String,
    /// Everything that the wallet holds.
    pub have: String,
    /// Block rewards that cannot be spent yet, if there are any.
    pub immature: Option<String>,
    /// Payments from others that no block holds yet, if there are any.
    pub waiting: Option<String>,
    /// What the person froze, if there is any.
    pub frozen: Option<String>,
    /// What can be spent now.
    pub spendable: String,
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the payment needs {} with its fee, and you have {}", self.needed, self.have)?;
        let parts = [
            (&self.immature, "is still immature"),
            (&self.waiting, "is waiting for a block"),
            (&self.frozen, "is frozen"),
        ];
        let parts: Vec<String> =
            parts.iter().filter_map(|(amount, why)| amount.as_ref().map(|amount| format!("{amount} {why}"))).collect();
        match parts.split_last() {
            None => Ok(()),
            Some((last, [])) => write!(f, ", of which {last}"),
            Some((last, others)) => write!(f, ", of which {} and {last}", others.join(", ")),
        }
    }
}

impl Failure for WalletError {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "wallet/exists",
            Self::NotFound { .. } => "wallet/not-found",
            Self::InUse { .. } => "wallet/in-use",
            Self::WrongPassword => "wallet/wrong-password",
            Self::Locked { .. } => "wallet/locked",
            Self::Damaged { .. } => "wallet/damaged",
            Self::TooNew { .. } => "wallet/too-new",
            Self::OtherNetwork { .. } => "wallet/other-network",
            Self::RsaNotAllowed { .. } => "wallet/rsa-not-allowed",
            Self::WatchOnly => "wallet/watch-only",
            Self::NoWords => "wallet/no-words",
            Self::Keys(source) => source.code(),
            Self::Token(source) => source.code(),
            Self::NoRandomness => "wallet/no-randomness",
            Self::Crypto { .. } => "wallet/crypto",
            Self::Files(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "Choose another name, or open that wallet.",
            Self::NotFound { .. } => "Check the name, or create the wallet.",
            Self::InUse { .. } => "Close it there and try again.",
            Self::WrongPassword => "Try again; look for Caps Lock and the keyboard's language.",
            Self::Locked { .. } => "Open it with its password.",
            Self::Damaged { .. } => {
                "Keep the file as it is, and restore the wallet from its recovery words or a backup."
            }
            Self::TooNew { .. } => "Install the newer version.",
            Self::OtherNetwork { .. } => "Choose the network that it was made for.",
            Self::RsaNotAllowed { .. } => "Use 2048, 3072 or 4096 bits on a coin that has RSA locks.",
            Self::NoWords => "Keep a backup of its file instead.",
            Self::WatchOnly => "Take the payment as a PSBT to the wallet that has the keys.",
            Self::Keys(source) => source.next_step(),
            Self::Token(source) => source.next_step(),
            Self::NoRandomness | Self::Crypto { .. } => "Restart the computer and try again.",
            Self::Files(_) => "",
        }
    }
}

impl Failure for PaymentError {
    fn code(&self) -> &'static str {
        match self {
            Self::AmountIsZero => "payment/amount-zero",
            Self::AmountIsDust { .. } => "payment/dust",
            Self::NotEnough { .. } | Self::NamedNotEnough { .. } => "payment/not-enough",
            Self::NoRecipient => "payment/no-recipient",
            Self::MaxTwice => "payment/max-twice",
            Self::CoinUnknown { .. } => "payment/coin-unknown",
            Self::CoinFrozen { .. } => "payment/coin-frozen",
            Self::CoinNotReady { .. } => "payment/coin-not-ready",
            Self::FeeAbsurd { .. } => "payment/fee-absurd",
            Self::TooLarge { .. } => "payment/too-large",
            Self::FeeTooLow { .. } => "payment/fee-too-low",
            Self::RecipientNotStandard => "payment/recipient-not-standard",
            Self::DraftOutdated => "payment/draft-outdated",
            Self::NeedsOthers => "payment/needs-others",
            Self::SignatureRefused { .. } => "payment/signature-refused",
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::AmountIsZero | Self::AmountIsDust { .. } => "Send a larger amount.",
            Self::NotEnough { .. } => "Send less, or wait until more can be spent.",
            Self::NamedNotEnough { .. } => "Name more coins, or send less.",
            Self::NoRecipient => "Say whom to pay.",
            Self::MaxTwice => "Give all others an amount.",
            Self::CoinUnknown { .. } => "Look at the list of coins.",
            Self::CoinFrozen { .. } => "Unfreeze it first, or choose other coins.",
            Self::CoinNotReady { .. } => "Wait for more blocks, or choose other coins.",
            Self::FeeAbsurd { .. } => "Choose a lower fee rate, or allow the high fee if you mean it.",
            Self::TooLarge { .. } => "Pay in several parts.",
            Self::FeeTooLow { .. } => "Choose a higher fee rate.",
            Self::RecipientNotStandard => "Ask the recipient for another address.",
            Self::DraftOutdated => "Prepare the payment again.",
            Self::NeedsOthers => "Make a PSBT of it, let the others sign, and combine what they send back.",
            Self::SignatureRefused { .. } => "Nothing was sent. Report this as a fault of the program.",
            Self::Wallet(source) => source.next_step(),
        }
    }
}

impl Failure for SyncError {
    fn code(&self) -> &'static str {
        match self {
            Self::Proxy(source) => source.code(),
            Self::BadProof { .. } => "sync/bad-proof",
            Self::BadHeaders { .. } => "sync/bad-headers",
            Self::LessWork { .. } => "sync/less-work",
            Self::NoProxy => "sync/no-proxy",
            Self::Contradiction { .. } => "sync/contradiction",
            Self::ProxyBehind { .. } => "sync/proxy-behind",
            Self::ChainKeepsMoving => "sync/chain-keeps-moving",
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Proxy(source) => source.next_step(),
            Self::BadProof { .. } | Self::BadHeaders { .. } | Self::Contradiction { .. } => {
                "Use another proxy: this one is broken or it lies."
            }
            Self::LessWork { .. } => {
                "Try again after the next block, or use another proxy; if the coin was started anew, forget its old headers."
            }
            Self::NoProxy => "Name one with --proxy.",
            Self::ProxyBehind { .. } | Self::ChainKeepsMoving => "Try again in a moment.",
            Self::Wallet(source) => source.next_step(),
        }
    }
}
