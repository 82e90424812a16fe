//! Why a PSBT was refused.

use mycoin_primitives::Failure;

use crate::error::WalletError;

/// Why a PSBT could not be read, signed or finished. Inputs are counted from 0.
#[derive(Debug, thiserror::Error)]
pub enum PsbtError {
    /// Something else.
    #[error("this is no PSBT (partially signed transaction)")]
    NotAPsbt,
    /// It begins as one.
    #[error("the PSBT is damaged or was cut short")]
    Damaged,
    /// Version 2, or one that is not known yet.
    #[error("the PSBT is of another version than 0")]
    OtherVersion,
    /// Two PSBTs of different transactions.
    #[error("these PSBTs are not copies of the same payment")]
    OtherPayment,
    /// No input belongs to this wallet.
    #[error("none of the coins that this payment spends belongs to this wallet")]
    NothingToSign,
    /// The PSBT does not say what an input spends.
    #[error("the PSBT does not say which coin its input {input} spends, so the fee is not known")]
    CoinMissing {
        /// The input.
        input: usize,
    },
    /// It says so, but without the transaction that would prove it.
    #[error("the PSBT does not prove how much its input {input} spends, so the fee could be higher than it says")]
    AmountUnproven {
        /// The input.
        input: usize,
    },
    /// What it says of a coin is not so.
    #[error("what the PSBT says of the coin that its input {input} spends contradicts that coin's transaction")]
    CoinContradicted {
        /// The input.
        input: usize,
    },
    /// A signature is asked for that would let others change the payment.
    #[error("the PSBT asks for a signature at input {input} that would let others change the payment")]
    SighashRefused {
        /// The input.
        input: usize,
    },
    /// It pays out more than it takes in.
    #[error("the payment gives out more than it takes in")]
    PaysTooMuch,
    /// Signatures are missing.
    #[error("{}", missing_sentence(.inputs))]
    Incomplete {
        /// The inputs that cannot be spent yet.
        inputs: Vec<usize>,
    },
    /// A signature would be refused by every node.
    #[error("the signature of input {input} does not hold: {reason}")]
    SignatureRefused {
        /// The input.
        input: usize,
        /// The rule that it breaks.
        reason: String,
    },
    /// The password is wrong, or the wallet cannot sign.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

fn missing_sentence(inputs: &[usize]) -> String {
    let list: Vec<String> = inputs.iter().map(ToString::to_string).collect();
    match inputs.len() {
        1 => format!("a signature is missing at input {}", list.concat()),
        _ => format!("signatures are missing at the inputs {}", list.join(", ")),
    }
}

impl Failure for PsbtError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotAPsbt => "psbt/not-a-psbt",
            Self::Damaged => "psbt/damaged",
            Self::OtherVersion => "psbt/other-version",
            Self::OtherPayment => "psbt/other-payment",
            Self::NothingToSign => "psbt/nothing-to-sign",
            Self::CoinMissing { .. } => "psbt/coin-missing",
            Self::AmountUnproven { .. } => "psbt/amount-unproven",
            Self::CoinContradicted { .. } => "psbt/coin-contradicted",
            Self::SighashRefused { .. } => "psbt/sighash-refused",
            Self::PaysTooMuch => "psbt/pays-too-much",
            Self::Incomplete { .. } => "psbt/incomplete",
            Self::SignatureRefused { .. } => "psbt/signature-refused",
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::NotAPsbt | Self::Damaged => "Export the PSBT again; as text it begins with cHNidP.",
            Self::OtherVersion => "Export it as a PSBT of version 0, which every program reads.",
            Self::OtherPayment => "Combine only PSBTs that were made from the same one.",
            Self::NothingToSign => "Open the wallet whose coins it spends.",
            Self::CoinMissing { .. } | Self::AmountUnproven { .. } => {
                "Let the wallet that made it add the earlier transactions (non-witness UTXO)."
            }
            Self::CoinContradicted { .. } | Self::SighashRefused { .. } | Self::PaysTooMuch => {
                "Do not sign it. Ask whoever made it."
            }
            Self::Incomplete { .. } => "Let the others sign, combine the PSBTs and try again.",
            Self::SignatureRefused { .. } => "Nothing was sent. Sign again from the PSBT without signatures.",
            Self::Wallet(source) => source.next_step(),
        }
    }
}
