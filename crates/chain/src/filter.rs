//! A block's filter, by which a light client sees whether a block concerns it without naming what it looks for.
//!
//! In:    a block and the coins that it spent ([`BlockUndo`]).
//! Out:   its basic filter; [`BlockFilter::filter_header`] chains it to the one before.
//! Never: the disk: whoever serves filters decides whether to keep them.
//!
//! Source: BIP157, BIP158; Bitcoin Core `BasicFilterElements`, blockfilter.cpp.

use mycoin_primitives::bitcoin::bip158::{BlockFilter, BlockFilterWriter};
use mycoin_primitives::{Block, BlockUndo};

/// The block's basic filter: every script that it creates, those of OP_RETURN left out, and every script that it spends.
///
/// The header of the first block's filter follows one of 32 zero bytes.
pub fn block_filter(block: &Block, undo: &BlockUndo) -> BlockFilter {
    let mut content = Vec::new();
    let mut writer = BlockFilterWriter::new(&mut content, block);
    writer.add_output_scripts();
    for coin in undo.spent.iter().flatten() {
        writer.add_element(coin.output.script_pubkey.as_bytes());
    }
    writer.finish().expect("writing to a vector cannot fail");
    BlockFilter { content }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::bitcoin::opcodes::all::{OP_ADD, OP_EQUAL, OP_RETURN};
    use mycoin_primitives::bitcoin::script::Builder;
    use mycoin_primitives::{Amount, Coin, Height, Network, ScriptBuf, TxOut, genesis_block};

    fn output(script_pubkey: ScriptBuf) -> TxOut {
        TxOut { value: Amount::from_sat(1), script_pubkey }
    }

    fn sum(number: i64) -> ScriptBuf {
        Builder::new().push_int(number).push_opcode(OP_ADD).push_int(8).push_opcode(OP_EQUAL).into_script()
    }

    #[test]
    fn created_and_spent_scripts_are_in_the_filter_and_op_return_and_empty_ones_are_not() {
        let (created, spent, elsewhere) = (sum(2), sum(3), sum(4));
        let remark = Builder::new().push_opcode(OP_RETURN).push_slice([4; 40]).into_script();
        let mut block = genesis_block(&Network::regtest());
        block.txdata[0].output = [created.clone(), remark.clone(), ScriptBuf::new()].map(output).to_vec();
        let coin =
            |script: &ScriptBuf| Coin { output: output(script.clone()), height: Height::GENESIS, is_coinbase: false };
        let undo = BlockUndo { spent: vec![vec![coin(&spent), coin(&ScriptBuf::new())]] };

        let filter = block_filter(&block, &undo);
        let holds = |script: &ScriptBuf| {
            let query = std::iter::once(script.as_bytes());
            filter.match_any(&block.block_hash(), query).expect("the filter can be read")
        };
        assert!(holds(&created) && holds(&spent));
        assert!(!holds(&elsewhere) && !holds(&remark));
        assert_eq!(filter.content.first(), Some(&2), "two elements");
    }

    #[test]
    fn a_block_without_scripts_has_a_filter_of_one_zero_byte() {
        let mut block = genesis_block(&Network::regtest());
        block.txdata[0].output = vec![output(ScriptBuf::new())];
        assert_eq!(block_filter(&block, &BlockUndo::default()).content, [0]);
    }
}
