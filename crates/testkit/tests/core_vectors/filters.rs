//! Source: Bitcoin Core, src/test/blockfilter_tests.cpp.

use mycoin_chain::block_filter;
use mycoin_primitives::bitcoin::bip158::FilterHeader;
use mycoin_primitives::bitcoin::consensus::deserialize;
use mycoin_primitives::{Amount, Block, BlockUndo, Coin, Height, ScriptBuf, TxOut};
use mycoin_testkit::core_data;
use serde_json::Value;

use crate::support::{Report, array, bytes, text};

const FILE: &str = "blockfilters.json";

#[test]
fn blockfilters() {
    let file = core_data::read(FILE);
    let mut report = Report::new(FILE, array(&file).len());
    for entry in array(&file) {
        // A comment stands alone; a case may end in one.
        let [_height, hash, block, spent, previous_header, filter, header, ..] = array(entry) else {
            assert_eq!(array(entry).len(), 1, "neither case nor comment: {entry}");
            continue;
        };
        report.case();
        let block: Block = deserialize(&bytes(block)).expect("the block can be read");
        report.expect(block.block_hash().to_string() == text(hash), || format!("block hash: {entry}"));
        let computed = block_filter(&block, &undo(spent));
        report.expect(computed.content == bytes(filter), || format!("filter {:02x?}: {entry}", computed.content));
        let previous: FilterHeader = text(previous_header).parse().expect("a header is 32 bytes");
        let next = computed.filter_header(&previous);
        report.expect(next.to_string() == text(header), || format!("header {next}: {entry}"));
    }
    report.conclude(10);
}

/// The filter asks for the spent scripts only, in no order.
fn undo(scripts: &Value) -> BlockUndo {
    let coin = |script: &Value| Coin {
        output: TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(bytes(script)) },
        height: Height::GENESIS,
        is_coinbase: false,
    };
    BlockUndo { spent: vec![array(scripts).iter().map(coin).collect()] }
}
