//! Source: Bitcoin Core, src/test/sighash_tests.cpp.

use mycoin_consensus::check_transaction;
use mycoin_primitives::bitcoin::consensus::deserialize;
use mycoin_primitives::hashes::{Hash as _, sha256d};
use mycoin_primitives::{Network, ScriptBuf, Transaction};
use mycoin_script::legacy_sighash;
use mycoin_testkit::core_data;

use crate::support::{Report, array, bytes, integer, text};

const FILE: &str = "sighash.json";

#[test]
fn sighash() {
    let file = core_data::read(FILE);
    let mut report = Report::new(FILE, array(&file).len());
    for entry in array(&file) {
        let [tx, script, input, hash_type, expected] = array(entry) else {
            assert_eq!(array(entry).len(), 1, "neither case nor comment: {entry}");
            continue;
        };
        report.case();
        let tx: Transaction = deserialize(&bytes(tx)).unwrap_or_else(|error| panic!("{error}: {entry}"));
        let checked = check_transaction(&tx, &Network::regtest());
        report.expect(checked.is_ok(), || format!("{checked:?}: {entry}"));
        let script = ScriptBuf::from_bytes(bytes(script));
        let input: usize = integer(input).try_into().expect("an index is not negative");
        // Written as signed numbers of 32 bits; all the bits are hashed.
        let hash_type: i32 = integer(hash_type).try_into().expect("a hash type has 32 bits");
        let found = legacy_sighash(&tx, input, &script, hash_type.cast_unsigned());
        let found = found.map(|hash| sha256d::Hash::from_byte_array(hash).to_string());
        report.expect(found.as_deref() == Ok(text(expected)), || format!("{found:?}: {entry}"));
    }
    report.conclude(500);
}
