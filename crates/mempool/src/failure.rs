//! What a person reads beside a reason: the catalogue's code, and what to do next.

use mycoin_primitives::Failure;

use crate::error::RejectReason;

impl Failure for RejectReason {
    fn code(&self) -> &'static str {
        match self {
            Self::Rule(error) => error.code(),
            Self::Coinbase => "tx/coinbase",
            Self::Version { .. }
            | Self::ScriptSigSize { .. }
            | Self::ScriptSigNotPushOnly { .. }
            | Self::ScriptPubkey { .. }
            | Self::BareMultisig { .. }
            | Self::DataCarrier { .. }
            | Self::LegacySigops { .. }
            | Self::NonstandardInput { .. }
            | Self::NonstandardWitness { .. }
            | Self::TooManySigops { .. }
            | Self::Truc(_) => "tx/non-standard",
            Self::TooHeavy { .. } => "tx/too-large",
            Self::TooSmall { .. } => "tx/too-small",
            Self::Dust { .. } | Self::DustWithFee { .. } | Self::UnspentDust { .. } => "tx/dust",
            Self::AlreadyWaiting { .. } | Self::OtherWitnessWaiting { .. } => "tx/already-sent",
            Self::AlreadyConfirmed { .. } => "tx/already-confirmed",
            Self::MissingInputs { .. } => "tx/missing-inputs",
            Self::BelowRelayFee { .. } | Self::BelowPoolFee { .. } => "tx/fee-too-low",
            Self::PoolFull => "tx/pool-full",
            Self::FeeAboveLimit { .. } => "tx/fee-too-high",
            Self::TooLargeCluster { .. } => "tx/too-long-chain",
            Self::SpendsReplaced { .. }
            | Self::Conflict { .. }
            | Self::ReplacementFee { .. }
            | Self::ReplacementRate { .. }
            | Self::ReplacesTooMany { .. } => "tx/double-spend",
            Self::WitnessStripped { .. } | Self::Unsigned { .. } => "tx/unsigned",
            Self::Script { .. } => "tx/wrong-signature",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Rule(error) => error.next_step(),
            Self::Coinbase => "Send a transaction that spends coins.",
            Self::Version { .. } => "Make the transaction again as version 2.",
            Self::TooHeavy { .. } => "Split the payment into several smaller ones.",
            Self::TooSmall { .. } => "Add an output or an input.",
            Self::ScriptSigSize { .. } | Self::ScriptSigNotPushOnly { .. } | Self::NonstandardWitness { .. } => {
                "Sign the transaction again with a wallet of this coin."
            }
            Self::ScriptPubkey { .. } | Self::BareMultisig { .. } => {
                "Pay to an address that a wallet of this coin made."
            }
            Self::DataCarrier { .. } => "Put less data into the transaction.",
            Self::LegacySigops { .. } | Self::TooManySigops { .. } => "Spend fewer coins at once.",
            Self::Dust { .. } | Self::DustWithFee { .. } => "Send a larger amount.",
            Self::UnspentDust { .. } => "Spend that output as well.",
            Self::AlreadyWaiting { .. } | Self::OtherWitnessWaiting { .. } => {
                "There is nothing to do: it is confirmed with one of the next blocks."
            }
            Self::AlreadyConfirmed { .. } => "There is nothing to do: the payment is in the chain.",
            Self::MissingInputs { .. } => {
                "Bring the wallet up to date and make the payment again; if it spends an unsent transaction, send that first."
            }
            Self::BelowRelayFee { .. } => "Choose a higher fee.",
            Self::BelowPoolFee { .. } | Self::PoolFull => "Choose a higher fee, or try again later.",
            Self::FeeAboveLimit { .. } => "Check the fee; if it is meant, raise the limit.",
            Self::Truc(_) => "Make the transaction again as version 2, and spend confirmed coins with it.",
            Self::TooLargeCluster { .. } => "Wait until the earlier payments are confirmed.",
            Self::SpendsReplaced { .. } | Self::Conflict { .. } | Self::ReplacesTooMany { .. } => {
                "Wait for the earlier payment, or bring the wallet up to date and pay with other coins."
            }
            Self::ReplacementFee { .. } | Self::ReplacementRate { .. } => {
                "Wait for the earlier payment, or pay a higher fee to replace it."
            }
            Self::NonstandardInput { .. } => "Spend coins that a wallet of this coin owns.",
            Self::WitnessStripped { .. } | Self::Unsigned { .. } => "Sign the transaction, then send it again.",
            Self::Script { .. } => "Sign the transaction again with the wallet that owns the coins.",
        }
    }
}
