//! The first block of a coin, made the way Bitcoin's was.

use bitcoin::absolute::LockTime;
use bitcoin::block::Version;
use bitcoin::opcodes::all::OP_CHECKSIG;
use bitcoin::script::Builder;
use bitcoin::transaction;

use crate::network::{Genesis, Network};
use crate::{
    Amount, Block, BlockHash, Header, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Witness,
};
use bitcoin::hashes::Hash;

/// The key of Bitcoin's genesis output. Nobody can spend a genesis output (it never enters the coins), so every coin keeps it.
const GENESIS_OUTPUT_KEY: [u8; 65] = [
    0x04, 0x67, 0x8a, 0xfd, 0xb0, 0xfe, 0x55, 0x48, 0x27, 0x19, 0x67, 0xf1, 0xa6, 0x71, 0x30, 0xb7, 0x10, 0x5c, 0xd6,
    0xa8, 0x28, 0xe0, 0x39, 0x09, 0xa6, 0x79, 0x62, 0xe0, 0xea, 0x1f, 0x61, 0xde, 0xb6, 0x49, 0xf6, 0xbc, 0x3f, 0x4c,
    0xef, 0x38, 0xc4, 0xf3, 0x55, 0x04, 0xe5, 0x1e, 0xc1, 0x12, 0xde, 0x5c, 0x38, 0x4d, 0xf7, 0xba, 0x0b, 0x8d, 0x57,
    0x8a, 0x4c, 0x70, 0x2b, 0x6b, 0xf1, 0x1d, 0x5f,
];

/// The genesis block of `network`. Source: Bitcoin Core `CreateGenesisBlock`, kernel/chainparams.cpp.
pub fn genesis_block(network: &Network) -> Block {
    build(&network.genesis, network.first_subsidy)
}

pub(crate) fn genesis_hash(genesis: &Genesis, subsidy: Amount) -> BlockHash {
    build(genesis, subsidy).block_hash()
}

fn build(genesis: &Genesis, subsidy: Amount) -> Block {
    // 486604799 is 0x1d00ffff, the first difficulty of Bitcoin; the 4 follows it in every genesis coinbase.
    let message = <&bitcoin::script::PushBytes>::try_from(genesis.message.as_bytes())
        .expect("the validator limits the message to 80 bytes");
    let script_sig = Builder::new().push_int(486_604_799).push_slice([4]).push_slice(message).into_script();
    let coinbase = Transaction {
        version: transaction::Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: subsidy, script_pubkey: output_script() }],
    };
    let merkle_root = TxMerkleNode::from_byte_array(coinbase.compute_txid().to_byte_array());
    Block {
        header: Header {
            version: Version::ONE,
            prev_blockhash: BlockHash::all_zeros(),
            merkle_root,
            time: genesis.time,
            bits: genesis.bits,
            nonce: genesis.nonce,
        },
        txdata: vec![coinbase],
    }
}

fn output_script() -> ScriptBuf {
    Builder::new().push_slice(GENESIS_OUTPUT_KEY).push_opcode(OP_CHECKSIG).into_script()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regtest_genesis_is_bitcoins() {
        let ours = genesis_block(&Network::regtest());
        assert_eq!(ours, bitcoin::constants::genesis_block(bitcoin::Network::Regtest));
    }

    #[test]
    fn shipped_genesis_blocks_carry_their_proof_of_work() {
        for network in [Network::demo(), Network::mycoin(), Network::regtest()] {
            let header = genesis_block(&network).header;
            assert!(header.validate_pow(header.target()).is_ok(), "{}", network.name);
            assert_eq!(header.block_hash(), network.genesis.hash, "{}", network.name);
        }
    }
}
