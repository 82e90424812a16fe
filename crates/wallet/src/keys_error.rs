//! Why keys were refused, in words that never repeat them.

use mycoin_primitives::{AddressError, Failure};

/// Why keys that were given make no wallet. What was given never stands in it: it may hold a private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Nothing was given.
    #[error("no key was given")]
    Empty,
    /// Far longer than any key or descriptor.
    #[error("what was given is far longer than keys are")]
    TooLong,
    /// An extended key that fails its checksum or contradicts itself.
    #[error("a key has a typing error or is incomplete")]
    BadKey,
    /// A private key where a public one is asked for.
    #[error("this is a private key, and a wallet that only watches takes public ones")]
    PrivateKey,
    /// Not of a form that is known.
    #[error("this is no extended key")]
    NotAnExtendedKey,
    /// Neither brackets nor a known function.
    #[error("this is no output descriptor")]
    NotADescriptor,
    /// The descriptor's checksum does not fit.
    #[error("the descriptor's checksum does not fit: it has a typing error, or it was cut short")]
    BadChecksum,
    /// A descriptor, but not one that can be used.
    #[error("the descriptor is not understood, or it asks for a private key that does not stand in it")]
    NotUnderstood,
    /// A descriptor whose coins could be lost or taken.
    #[error("the descriptor is unsafe: its coins could become unspendable, or others could change how they are spent")]
    Unsafe,
    /// Two descriptors, or paths, that are not one receiving and one change chain.
    #[error("these descriptors are not one chain for receiving and one for change")]
    NotAPair,
    /// More than one pair.
    #[error("this holds several accounts, and a wallet is one")]
    SeveralAccounts,
    /// The coin has no addresses for these scripts.
    #[error("this coin has no addresses for that kind of script")]
    NoAddress,
    /// An account number of 2^31 or more.
    #[error("an account's number is below 2,147,483,648")]
    AccountTooHigh,
    /// Not k of n with 1 ≤ k ≤ n ≤ 15.
    #[error(
        "{required} of {given} keys cannot be asked for: give 1 to 15 keys, and ask for at most as many signatures"
    )]
    BadThreshold {
        /// How many signatures were asked for.
        required: usize,
        /// How many keys were given.
        given: usize,
    },
    /// The same key twice.
    #[error("the same key was given twice")]
    SameKeyTwice,
    /// None of the keys is the words' own.
    #[error("none of the keys is that of these recovery words and this passphrase and account")]
    OwnKeyMissing,
    /// Not an address of this coin.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl Failure for KeysError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "keys/missing",
            Self::TooLong => "keys/too-long",
            Self::BadKey => "keys/bad-key",
            Self::PrivateKey => "keys/private-key",
            Self::NotAnExtendedKey => "keys/not-an-extended-key",
            Self::NotADescriptor => "keys/not-a-descriptor",
            Self::BadChecksum => "keys/bad-checksum",
            Self::NotUnderstood => "keys/not-understood",
            Self::Unsafe => "keys/unsafe",
            Self::NotAPair => "keys/not-a-pair",
            Self::SeveralAccounts => "keys/several-accounts",
            Self::NoAddress => "keys/no-address",
            Self::AccountTooHigh => "keys/account-too-high",
            Self::BadThreshold { .. } => "keys/bad-threshold",
            Self::SameKeyTwice => "keys/same-key-twice",
            Self::OwnKeyMissing => "keys/own-key-missing",
            Self::Address(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Empty | Self::TooLong | Self::BadKey | Self::NotAnExtendedKey | Self::BadChecksum => {
                "Copy it again from where it was made."
            }
            Self::PrivateKey => {
                "Give the public key (xpub …), or import a descriptor with the private key to make a wallet that signs."
            }
            Self::NotADescriptor => "A descriptor looks like wpkh([d34db33f/84'/0'/0']xpub…/0/*)#checksum.",
            Self::NotUnderstood | Self::Unsafe => "Export the descriptor again, or use the wallet that made it.",
            Self::NotAPair => "Give a descriptor with <0;1>, or the receiving and the change descriptor.",
            Self::SeveralAccounts => "Give the two descriptors of one account.",
            Self::NoAddress => "Choose taproot or native segwit.",
            Self::AccountTooHigh => "The first account is 0.",
            Self::BadThreshold { .. } => "Usual are 2 of 3 and 3 of 5.",
            Self::SameKeyTwice => "Ask each of the others for their own key.",
            Self::OwnKeyMissing => {
                "Look at the passphrase and the account, and give your own key together with its [origin]."
            }
            Self::Address(source) => source.next_step(),
        }
    }
}
