//! What a coin is: the network spec, genesis, addresses, amounts, heights, events; re-exports the field's types.
//!
//! In:    a spec file's text, an address or an amount that a person typed.
//! Out:   [`Network`], the genesis block, scripts, [`Amount`]s, and errors that say what to change.
//! Never: I/O, clocks, randomness. Nothing outside this crate asks "which network am I?".
//!
//! Start at [`Network`].

mod address;
mod amount;
mod coin;
mod event;
mod failure;
mod fee_rate;
mod genesis;
mod height;
mod ids;
mod invitation;
mod network;
mod spec;
mod spec_text;

pub use address::{AddressError, address_of, parse_address};
pub use amount::{AmountError, MAX_MONEY, format_amount, format_coins, parse_amount};
pub use coin::{BlockUndo, Coin};
pub use event::ChainEvent;
pub use failure::Failure;
pub use fee_rate::{FeeRate, FeeRateError};
pub use genesis::genesis_block;
pub use height::Height;
pub use ids::{IdHasher, IdMap, IdSet, IdState};
pub use invitation::{Invitation, InvitationError};
pub use network::{Base58Prefixes, Genesis, MiningTrigger, Network, Ports, Retarget, Rules};
pub use spec::{SPEC_LIMIT, SpecError};
pub use spec_text::SpecDifference;

pub use bitcoin;
pub use bitcoin::block::Header;
pub use bitcoin::hashes;
pub use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, Script, ScriptBuf, Sequence, Target, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Weight, Witness, Work, Wtxid,
};
