//! Why a message was not signed, or its signature does not hold.

use mycoin_primitives::{AddressError, Failure};

use crate::error::WalletError;

/// Why a message was not signed, or its signature does not hold.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not an address of this coin.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Several keys, an old-style address, or a lock of a kind that is not known.
    #[error("messages cannot be signed or checked for this kind of address")]
    KindOfAddress,
    /// An address of somebody else.
    #[error("the address is none that this wallet has handed out")]
    NotOurs,
    /// Nothing that a signature could be.
    #[error("this is no signature of a message: it was cut short or mistyped, or it is of another kind of address")]
    NotASignature,
    /// It is a signature by a key that the address is not of.
    #[error("the signature was made for another address")]
    OtherAddress,
    /// It leaves open what it signs.
    #[error("the signature does not cover the whole message")]
    Partial,
    /// The key is right, or cannot be known, but it signed something else.
    #[error("the signature does not hold: the message is not the one that was signed, byte by byte")]
    DoesNotHold,
    /// It needs the keys of others as well.
    #[error("this address takes the signatures of several wallets")]
    NeedsOthers,
    /// The password is wrong, the token is not there, or the wallet file is unusable.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl Failure for MessageError {
    fn code(&self) -> &'static str {
        match self {
            Self::Address(source) => source.code(),
            Self::KindOfAddress => "message/kind-of-address",
            Self::NotOurs => "message/not-ours",
            Self::NotASignature => "message/not-a-signature",
            Self::OtherAddress => "message/other-address",
            Self::Partial => "message/partial",
            Self::DoesNotHold => "message/does-not-hold",
            Self::NeedsOthers => "message/needs-others",
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Address(source) => source.next_step(),
            Self::KindOfAddress => "Use a taproot, a native segwit or an RSA address.",
            Self::NotOurs => "Choose an address of this wallet; it lists them.",
            Self::NotASignature => "Copy the whole signature again.",
            Self::OtherAddress => "Ask for the address that signed it, or for a signature by this one.",
            Self::Partial => "Ask for a signature of the usual kind.",
            Self::DoesNotHold => "Compare the message and the address with those of the signer; every space counts.",
            Self::NeedsOthers => "Use an address of a wallet that has one key.",
            Self::Wallet(source) => source.next_step(),
        }
    }
}
