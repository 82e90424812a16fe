//! One transaction in full.
//!
//! In:    a transaction's id.
//! Out:   each of its inputs and outputs with whose it is, what it costs, and the block that holds it.
//! Never: a guess about what is not known: a spent coin of others that no proxy told has no amount.

use mycoin_primitives::{Amount, BlockHash, FeeRate, OutPoint, TxOut, Txid, address_of};

use crate::history::HistoryEntry;
use crate::keyring::Keychain;
use crate::notes::Labelled;
use crate::wallet::Wallet;

/// A transaction of the wallet in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDetail {
    /// What it is in the history.
    pub entry: HistoryEntry,
    /// The block that holds it.
    pub block: Option<BlockHash>,
    /// Its size in virtual bytes.
    pub vsize: u64,
    /// What it pays for its size, where its fee is known.
    pub fee_rate: Option<FeeRate>,
    /// Whether it says of itself that it may be replaced. Source: BIP125.
    pub replaceable: bool,
    /// Before which height or time it may not be mined, as its lock time stands.
    pub lock_time: u32,
    /// What it spends.
    pub inputs: Vec<DetailPart>,
    /// What it pays.
    pub outputs: Vec<DetailPart>,
}

/// An input or an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetailPart {
    /// The coin that it spends or makes; `None` for the input of a block's reward.
    pub coin: Option<OutPoint>,
    /// How much, where it is known.
    pub amount: Option<Amount>,
    /// The address, where there is one and it is known.
    pub address: Option<String>,
    /// Whose it is.
    pub owner: Owner,
    /// The coin's label, else its address'.
    pub label: Option<String>,
    /// The contact whose address it is.
    pub contact: Option<String>,
}

/// Whose an input or an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// An address of ours that is handed out.
    Ours,
    /// An address of ours for change.
    OurChange,
    /// Somebody else's.
    Others,
    /// Nobody told.
    Unknown,
}

impl Owner {
    /// Whose it is, in a word or two.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OurChange => "our change",
            Self::Others => "others",
            Self::Unknown => "unknown",
        }
    }
}

impl Wallet {
    /// A transaction of the wallet in full; `None` when the wallet does not have it.
    pub fn transaction_detail(&self, txid: Txid) -> Option<TransactionDetail> {
        let entry = self.history().into_iter().find(|entry| entry.txid == txid)?;
        let transactions = self.ledger.transactions();
        let tx = &transactions.iter().find(|entry| entry.txid == txid)?.tx;
        let block = entry.height.and_then(|height| self.ledger.blocks().find(|(at, _)| *at == height));
        let spent = |outpoint: OutPoint| {
            let coin = (!outpoint.is_null()).then_some(outpoint);
            self.part(coin, self.ledger.output(outpoint))
        };
        let made = |(vout, output)| self.part(Some(OutPoint { txid, vout }), Some(output));
        let vsize = tx.vsize() as u64;
        Some(TransactionDetail {
            block: block.map(|(_, hash)| hash),
            vsize,
            fee_rate: entry.fee.map(|fee| FeeRate::of(fee, vsize)),
            replaceable: tx.is_explicitly_rbf(),
            lock_time: tx.lock_time.to_consensus_u32(),
            inputs: tx.input.iter().map(|input| spent(input.previous_output)).collect(),
            outputs: (0..).zip(&tx.output).map(made).collect(),
            entry,
        })
    }

    fn part(&self, coin: Option<OutPoint>, output: Option<&TxOut>) -> DetailPart {
        let address = output.and_then(|output| address_of(&output.script_pubkey, self.network()));
        let owner = match output.map(|output| self.keyring.origin(&output.script_pubkey)) {
            None => Owner::Unknown,
            Some(None) => Owner::Others,
            Some(Some(origin)) if origin.keychain == Keychain::Internal => Owner::OurChange,
            Some(Some(_)) => Owner::Ours,
        };
        let of_coin = coin.and_then(|coin| self.label(&Labelled::Coin(coin)));
        let of_address = || self.label(&Labelled::Address(address.clone()?));
        DetailPart {
            coin,
            amount: output.map(|output| output.value),
            owner,
            label: of_coin.or_else(of_address).map(str::to_owned),
            contact: address.as_deref().and_then(|address| self.contact_at(address)).map(str::to_owned),
            address,
        }
    }
}
