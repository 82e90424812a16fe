//! BIP54: the size of transactions, their legacy signature operations, coinbases, and the times of periods.

use std::sync::Arc;

use mycoin_consensus::{
    HeaderBranch, HeaderRuleError, TxRuleError, check_block, check_block_in_context, check_header,
    check_header_in_context, check_spend, check_transaction, next_bits,
};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::bitcoin::{block, transaction};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{
    Amount, Block, Coin, CompactTarget, Header, Height, Network, OutPoint, Retarget, Rules, ScriptBuf, Sequence,
    Transaction, TxIn, TxOut, Txid, Witness, genesis_block,
};
use mycoin_script::{PrecomputedTransaction, ScriptFlags, verify_input};
use serde::Deserialize;

use crate::assembler::{assemble, push};
use crate::{ran, read};

/// Bitcoin's proof of work, with BIP54's rules or without.
fn bitcoin(bip54: bool) -> Network {
    Network {
        pow_limit: CompactTarget::from_consensus(0x1d00_ffff),
        retarget: Retarget::Bitcoin,
        rules: Rules { bip54, bip94: false },
        ..Network::regtest()
    }
}

#[derive(Deserialize)]
struct Cases<C> {
    cases: Vec<C>,
}

#[derive(Deserialize)]
struct SizeCase {
    comment: String,
    valid: bool,
    tx: String,
}

#[test]
fn bip54_transaction_sizes() {
    let Cases { cases } = read(include_str!("data/bip54_txsize.json"));
    for SizeCase { comment, valid, tx } in &cases {
        let tx: Transaction = deserialize_hex(tx).expect("the vectors are transactions");
        let expected = if *valid { Ok(()) } else { Err(TxRuleError::SixtyFourBytes) };
        assert_eq!(check_transaction(&tx, &bitcoin(true)), expected, "{comment}");
        assert_eq!(check_transaction(&tx, &bitcoin(false)), Ok(()), "{comment}");
    }
    assert_eq!(TxRuleError::SixtyFourBytes.reject_reason(), "bad-txns-size");
    ran("BIP54, sizes of transactions", cases.len(), 12);
}

#[derive(Deserialize)]
struct OperationCases {
    mixed: Vec<Input>,
    cases: Vec<OperationCase>,
}

#[derive(Deserialize)]
struct OperationCase {
    comment: String,
    valid: bool,
    /// The mix that stands once in the file comes first.
    #[serde(default)]
    after_mixed: bool,
    /// Version, lock time and sequences are unusual ones.
    #[serde(default)]
    changed: bool,
    #[serde(default)]
    inputs: Vec<Input>,
    /// A whole transaction instead of inputs, and the scripts that it spends.
    tx: Option<String>,
    #[serde(default)]
    spent: Vec<String>,
}

/// Equal inputs, in the words of [`assemble`].
#[derive(Deserialize)]
struct Input {
    #[serde(default = "one")]
    times: usize,
    spent: Option<String>,
    redeem: Option<String>,
    #[serde(default)]
    script_sig: String,
    #[serde(default)]
    witness: Vec<String>,
}

const fn one() -> usize {
    1
}

impl Input {
    /// The script that is spent, and the input's own.
    fn scripts(&self) -> (ScriptBuf, ScriptBuf) {
        let own = assemble(&self.script_sig);
        match (&self.spent, &self.redeem) {
            (Some(spent), None) => (assemble(spent), own),
            (None, Some(redeem)) => {
                let redeem = assemble(redeem);
                (redeem.to_p2sh(), [own.into_bytes(), push(redeem.as_bytes()).into_bytes()].concat().into())
            }
            (Some(_), Some(_)) | (None, None) => panic!("an input has either a script or a redeem script"),
        }
    }
}

impl OperationCase {
    fn tx(&self, mixed: &[Input]) -> (Transaction, Vec<Coin>) {
        if let Some(tx) = &self.tx {
            let scripts = self.spent.iter().map(|script| ScriptBuf::from_hex(script).expect("the vectors are hex"));
            // What these spent on Bitcoin's chain, 0.001 BTC in all.
            let value = Amount::from_sat(100_000) / u64::try_from(self.spent.len()).expect("one or two");
            let tx = deserialize_hex(tx).expect("the vectors are transactions");
            return (tx, scripts.map(|script| coin(script, value)).collect());
        }
        let before = if self.after_mixed { mixed } else { &[] };
        let (mut inputs, mut coins) = (Vec::new(), Vec::new());
        for input in before.iter().chain(&self.inputs) {
            let (spent, script_sig) = input.scripts();
            let witness: Vec<Vec<u8>> = input.witness.iter().map(|item| assemble(item).into_bytes()).collect();
            for _ in 0..input.times {
                let vout = u32::try_from(inputs.len()).expect("few inputs");
                inputs.push(TxIn {
                    previous_output: OutPoint { txid: Txid::from_byte_array([1; 32]), vout },
                    script_sig: script_sig.clone(),
                    sequence: Sequence(if self.changed { 84 * vout } else { u32::MAX }),
                    witness: Witness::from_slice(&witness),
                });
                coins.push(coin(spent.clone(), Amount::ZERO));
            }
        }
        let tx = Transaction {
            version: transaction::Version(if self.changed { 42 } else { 2 }),
            lock_time: LockTime::from_consensus(if self.changed { 21 } else { 0 }),
            input: inputs,
            // Operations in outputs do not count.
            output: vec![TxOut { value: Amount::ZERO, script_pubkey: assemble("2 3*KEY 3 CHECKMULTISIG") }],
        };
        (tx, coins)
    }
}

fn coin(script_pubkey: ScriptBuf, value: Amount) -> Coin {
    Coin { output: TxOut { value, script_pubkey }, height: Height::new(1), is_coinbase: false }
}

/// What stands in Bitcoin's chain breaks no other rule.
fn check_scripts(tx: &Transaction, coins: Vec<Coin>) {
    let spent: Vec<TxOut> = coins.into_iter().map(|coin| coin.output).collect();
    let data = PrecomputedTransaction::new(tx, spent);
    for input in 0..tx.input.len() {
        assert_eq!(verify_input(&data, input, ScriptFlags::CONSENSUS), Ok(()), "{}", tx.compute_txid());
    }
}

#[test]
fn bip54_legacy_signature_operations() {
    let OperationCases { mixed, cases } = read(include_str!("data/bip54_sigops.json"));
    let height = Height::new(2);
    for case in &cases {
        let (tx, coins) = case.tx(&mixed);
        assert_eq!(tx.input.len(), coins.len(), "{}", case.comment);
        let found = check_spend(&tx, &coins, &bitcoin(true), height);
        let expected = if case.valid { None } else { Some("bad-txns-legacy-sigops") };
        assert_eq!(found.err().map(|error| error.reject_reason()), expected, "{}", case.comment);
        assert!(check_spend(&tx, &coins, &bitcoin(false), height).is_ok(), "{}", case.comment);
        if case.tx.is_some() {
            check_scripts(&tx, coins);
        }
    }
    ran("BIP54, legacy signature operations", cases.len(), 37);
}

/// Headers from genesis on.
struct Headers(Vec<Header>);

impl HeaderBranch for Headers {
    fn tip_height(&self) -> Height {
        Height::new(u32::try_from(self.0.len() - 1).expect("tests are short"))
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        self.0.get(usize::try_from(height.to_u32()).ok()?).copied()
    }
}

#[derive(Deserialize)]
struct Coinbases {
    shared: Vec<String>,
    cases: Vec<CoinbaseCase>,
}

#[derive(Deserialize)]
struct CoinbaseCase {
    comment: String,
    valid: bool,
    reject_reason: Option<String>,
    block: String,
}

/// The reject reason of a block on top of a branch. Its header passes alone: it has Bitcoin's proof of work.
fn block_verdict(block: &Arc<Block>, branch: &Headers, network: &Network) -> Option<String> {
    assert_eq!(check_header(&block.header, network), Ok(()));
    let checked = check_block(Arc::clone(block), network).expect("the vectors break rules of context only");
    check_block_in_context(&checked, network, branch).err().map(|error| error.reject_reason())
}

#[test]
fn bip54_coinbases() {
    let Coinbases { shared, cases } = read(include_str!("data/bip54_coinbases.json"));
    let (with, without) = (bitcoin(true), bitcoin(false));
    let block = |text: &String| -> Arc<Block> { Arc::new(deserialize_hex(text).expect("the vectors are blocks")) };
    let mut branch = Headers(Vec::new());
    for block in shared.iter().map(block) {
        // Nothing is asked of the genesis block.
        if !branch.0.is_empty() {
            assert_eq!(block_verdict(&block, &branch, &with), None);
        }
        branch.0.push(block.header);
    }
    for case in &cases {
        let block = block(&case.block);
        let found = block_verdict(&block, &branch, &with);
        assert_eq!(found, case.reject_reason, "{}", case.comment);
        assert_eq!(found.is_none(), case.valid, "{}", case.comment);
        // Only finality is a rule without BIP54.
        let expected = case.reject_reason.clone().filter(|reason| reason == "bad-txns-nonfinal");
        assert_eq!(block_verdict(&block, &branch, &without), expected, "{}", case.comment);
        // These headers are of Bitcoin's first version, which no network of ours begins with.
        let in_context = check_header_in_context(&block.header, &with, &branch, block.header.time);
        assert_eq!(in_context, Err(HeaderRuleError::ObsoleteVersion { version: 1 }));
    }
    ran("BIP54, coinbases", cases.len(), 7);
}

#[derive(Deserialize)]
struct Timestamps {
    genesis_time: u32,
    cases: Vec<TimestampCase>,
}

#[derive(Deserialize)]
struct TimestampCase {
    comment: String,
    valid: bool,
    /// How many headers follow the one before by so many seconds each.
    runs: Vec<(usize, i32)>,
    /// The last header's target, in compact form.
    last_bits: Option<String>,
}

/// The reject reason of the last of these headers, and its target. The ones before it are good.
fn last_verdict(case: &TimestampCase, genesis_time: u32, network: &Network) -> (Option<String>, u32) {
    let genesis = Header {
        version: block::Version::from_consensus(4),
        time: genesis_time,
        bits: network.pow_limit,
        ..genesis_block(network).header
    };
    let steps: Vec<i32> = case.runs.iter().flat_map(|(headers, step)| std::iter::repeat_n(*step, *headers)).collect();
    let mut branch = Headers(vec![genesis]);
    let mut header = genesis;
    for (place, step) in steps.iter().enumerate() {
        header.time = header.time.checked_add_signed(*step).expect("times stay in range");
        header.bits = next_bits(network, &branch);
        let verdict = check_header_in_context(&header, network, &branch, u32::MAX);
        if place + 1 == steps.len() {
            return (verdict.err().map(|error| error.reject_reason()), header.bits.to_consensus());
        }
        assert_eq!(verdict, Ok(()), "{}, block {}", case.comment, place + 1);
        branch.0.push(header);
    }
    panic!("a case has headers")
}

#[test]
fn bip54_timestamps() {
    let Timestamps { genesis_time, cases } = read(include_str!("data/bip54_timestamps.json"));
    for case in &cases {
        let (reason, bits) = last_verdict(case, genesis_time, &bitcoin(true));
        match reason.as_deref() {
            None => assert!(case.valid, "{}", case.comment),
            Some("time-timewarp-attack" | "time-negative-interval") => assert!(!case.valid, "{}", case.comment),
            Some(other) => panic!("{}: {other}", case.comment),
        }
        if let Some(expected) = &case.last_bits {
            assert_eq!(format!("{bits:08x}"), *expected, "{}", case.comment);
        }
        assert_eq!(last_verdict(case, genesis_time, &bitcoin(false)).0, None, "{}", case.comment);
    }
    ran("BIP54, times of periods", cases.len(), 9);
}
