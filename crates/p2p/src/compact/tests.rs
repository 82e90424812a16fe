//! Short ids, places and rebuilding, against BIP152 written a second time.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::bitcoin::{CompactTarget, transaction};
use mycoin_primitives::hashes::sha256;
use mycoin_primitives::{Amount, BlockHash, OutPoint, ScriptBuf, Sequence, TxIn, TxMerkleNode, TxOut, Txid, Witness};

use super::*;

/// SipHash-2-4 as its paper has it, for one message.
fn siphash(k0: u64, k1: u64, message: &[u8]) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let round = |v: &mut [u64; 4]| {
        v[0] = v[0].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    };
    let mut padded = message.to_vec();
    padded.resize(message.len() / 8 * 8 + 7, 0);
    padded.push(message.len() as u8);
    for word in padded.chunks(8) {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        v[3] ^= word;
        round(&mut v);
        round(&mut v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// A short id by the words of BIP152.
fn short_id(header: &Header, nonce: u64, wtxid: &Wtxid) -> [u8; 6] {
    let mut bytes = mycoin_primitives::bitcoin::consensus::serialize(header);
    assert_eq!(bytes.len(), 80);
    bytes.extend(nonce.to_le_bytes());
    let hash = sha256::Hash::hash(&bytes).to_byte_array();
    let key = |at: usize| u64::from_le_bytes(hash[at..at + 8].try_into().expect("eight bytes"));
    let hash = siphash(key(0), key(8), &wtxid.to_byte_array());
    hash.to_le_bytes()[..6].try_into().expect("six bytes")
}

fn transaction(number: u32) -> Transaction {
    let input = TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array([7; 32]), vout: number },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[number as u8; 3]]),
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![TxOut { value: Amount::from_sat(1), script_pubkey: ScriptBuf::new() }],
    }
}

fn names(transaction: &Transaction) -> Names {
    (transaction.compute_txid(), transaction.compute_wtxid())
}

/// A block of a coinbase and `count` payments, with the right roots and no proof of work.
fn block(count: u32) -> Block {
    let mut coinbase = transaction(0);
    coinbase.input[0].previous_output = OutPoint::null();
    coinbase.input[0].witness = Witness::from_slice(&[[9; 32]]);
    let header = Header {
        version: Version::TWO,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: 1,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut block = Block { header, txdata: std::iter::once(coinbase).chain((1..=count).map(transaction)).collect() };
    let root = block.witness_root().expect("it has a coinbase");
    let commitment = Block::compute_witness_commitment(&root, &[9; 32]);
    let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed], commitment.as_byte_array().as_slice()].concat();
    block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) });
    block.header.merkle_root = block.compute_merkle_root().expect("it has a coinbase");
    block
}

fn whole(count: u32) -> WholeBlock {
    WholeBlock::check(Arc::new(block(count))).expect("not mutated")
}

/// Puts a block together from `known`.
fn begin(compact: &HeaderAndShortIds, known: &[&Transaction]) -> Result<Reconstruction, CompactError> {
    Reconstruction::begin(compact, |visit| {
        let _ = known.iter().try_for_each(|tx| visit(&names(tx), &Arc::new((*tx).clone())));
    })
}

#[test]
fn the_second_siphash_gives_the_papers_figure() {
    let key = |at: u8| u64::from_le_bytes(std::array::from_fn(|i| at + i as u8));
    let message: Vec<u8> = (0..15).collect();
    assert_eq!(siphash(key(0), key(8), &message), 0xa129_ca61_49be_45e5);
}

#[test]
fn short_ids_are_made_of_the_wtxid_by_the_header_and_the_nonce() {
    for nonce in [0, 1, u64::MAX, 0x0102_0304_0506_0708] {
        let whole = whole(5);
        let compact = whole.compact(nonce);
        let ids: Vec<[u8; 6]> = compact.short_ids.iter().map(|id| id.to_bytes()).collect();
        let header = whole.block.header();
        let expected = |tx: &Transaction| short_id(header, nonce, &tx.compute_wtxid());
        assert_eq!(ids, whole.block.whole().txdata.iter().skip(1).map(expected).collect::<Vec<_>>());
        assert_ne!(
            ids[0],
            short_id(
                header,
                nonce,
                &Wtxid::from_byte_array(whole.block.whole().txdata[1].compute_txid().to_byte_array(),)
            )
        );
    }
}

#[test]
fn a_block_comes_back_whole_from_the_mempool() {
    let whole = whole(6);
    let block = whole.block.whole();
    let txs = &block.txdata;
    let compact = whole.compact(3);
    let strangers: Vec<Transaction> = (100..200).map(transaction).collect();
    let known: Vec<&Transaction> = strangers.iter().chain(txs.iter().skip(1).rev()).collect();
    let found = begin(&compact, &known).expect("no collision");
    assert_eq!(found.missing(), [0; 0]);
    assert_eq!(found.fill(vec![]).expect("the same").block.whole(), whole.block.whole());
}

#[test]
fn what_is_missing_is_named_in_order_and_filled_in() {
    let whole = whole(6);
    let block = whole.block.whole();
    let txs = &block.txdata;
    let compact = whole.compact(3);
    let begin = || begin(&compact, &[&txs[2], &txs[5]]).expect("no collision");
    assert_eq!(begin().missing(), [1, 3, 4, 6]);
    let rest = |places: &[usize]| places.iter().map(|&i| txs[i].clone()).collect::<Vec<_>>();
    assert_eq!(begin().fill(rest(&[1, 3, 4, 6])).expect("the same").block.whole(), whole.block.whole());
    assert_eq!(begin().fill(rest(&[1, 3, 4])).err(), Some(CompactError::WrongCount { given: 3, missing: 4 }));
    let error = CompactError::WrongCount { given: 5, missing: 4 };
    assert_eq!(begin().fill(rest(&[1, 3, 4, 6, 6])).err(), Some(error));
    assert_eq!(begin().fill(rest(&[3, 1, 4, 6])).err(), Some(CompactError::Mutated));
}

#[test]
fn two_candidates_for_one_place_leave_it_empty_but_the_same_one_twice_does_not() {
    let whole = whole(2);
    let block = whole.block.whole();
    let txs = &block.txdata;
    let compact = whole.compact(3);
    let show = |shown: &[(Names, &Transaction)]| {
        let found = Reconstruction::begin(&compact, |visit| {
            let _ = shown.iter().try_for_each(|(names, tx)| visit(names, &Arc::new((*tx).clone())));
        });
        found.expect("no collision").missing()
    };
    let known = names(&txs[1]);
    assert_eq!(show(&[(known, &txs[1]), (known, &txs[1])]), [2]);
    // A real collision takes 2^48 tries; the search is told of one by the map it asks.
    let by_id = IdMap::from_iter([(ShortId::with_siphash_keys(&known.1, (1, 2)), 0)]);
    let mut places = vec![None];
    let mut search = Search { keys: (1, 2), by_id: &by_id, places: &mut places, found: IdMap::default() };
    search.found.insert(0, Wtxid::from_byte_array([1; 32]));
    let _ = search.try_one(&known, &Arc::new(txs[1].clone()));
    assert_eq!(places, [None], "asked for rather than guessed");
}

#[test]
fn the_search_ends_when_all_is_found() {
    let whole = whole(3);
    let compact = whole.compact(3);
    let mut shown = 0;
    let found = Reconstruction::begin(&compact, |visit| {
        let block = whole.block.whole();
        let all = block.txdata.iter().skip(1).chain(&block.txdata).cloned().map(Arc::new);
        let _ = all.into_iter().try_for_each(|tx| {
            shown += 1;
            visit(&names(&tx), &tx)
        });
    });
    assert!(found.expect("no collision").missing().is_empty());
    assert_eq!(shown, 3);
}

#[test]
fn places_that_leave_a_gap_or_the_block_are_the_senders_fault() {
    let whole = whole(3);
    let coinbase = whole.compact(1).prefilled_txs[0].tx.clone();
    let bring = |ids: usize, places: &[u16]| {
        let mut compact = whole.compact(1);
        compact.short_ids = (0..ids).map(|i| ShortId::from([i as u8, (i >> 8) as u8, 0, 0, 0, 0])).collect();
        let prefilled = |&idx: &u16| PrefilledTransaction { idx, tx: coinbase.clone() };
        compact.prefilled_txs = places.iter().map(prefilled).collect();
        begin(&compact, &[]).map(|found| found.missing())
    };
    assert_eq!(bring(0, &[]), Err(CompactError::Empty));
    assert_eq!(bring(2, &[2]), Ok(vec![0, 1]), "the last place");
    assert_eq!(bring(2, &[3]), Err(CompactError::PrefilledOutOfRange { index: 3 }));
    assert_eq!(bring(2, &[1, 1]), Ok(vec![0, 2]), "the distance from the one before");
    assert_eq!(bring(2, &[1, 2]), Err(CompactError::PrefilledOutOfRange { index: 4 }));
    assert_eq!(bring(2, &[3, 0]), Err(CompactError::PrefilledOutOfRange { index: 3 }), "a gap in between");
    let index = 65_535;
    assert_eq!(bring(2, &[u16::MAX]), Err(CompactError::PrefilledOutOfRange { index }));
    let far = [0, u16::MAX, u16::MAX];
    assert_eq!(bring(2, &far), Err(CompactError::PrefilledOutOfRange { index: 65_536 }));
    assert_eq!(bring(65_534, &[0]).map(|missing| missing.len()), Ok(65_534), "as many as there may be");
    let error = CompactError::TooManyTransactions { count: 65_536, limit: 65_535 };
    assert_eq!(bring(65_535, &[0]), Err(error.clone()));
    for fault in [CompactError::Empty, CompactError::PrefilledOutOfRange { index }, error] {
        assert!(fault.is_senders_fault());
    }
}

#[test]
fn an_empty_transaction_is_the_senders_fault() {
    let mut compact = whole(1).compact(1);
    compact.prefilled_txs[0].tx.input.clear();
    assert!(begin(&compact, &[]).is_ok());
    compact.prefilled_txs[0].tx.output.clear();
    let error = begin(&compact, &[]).expect_err("empty");
    assert_eq!(error, CompactError::PrefilledEmpty { index: 0 });
    assert!(error.is_senders_fault());
}

#[test]
fn equal_short_ids_are_nobodys_fault() {
    let mut compact = whole(3).compact(1);
    compact.short_ids[2] = compact.short_ids[0];
    let error = begin(&compact, &[]).expect_err("a collision");
    assert_eq!(error, CompactError::ShortIdsCollide);
    assert!(!error.is_senders_fault() && !CompactError::Mutated.is_senders_fault());
}

#[test]
fn mutated_blocks_are_told_from_whole_ones() {
    let is_whole = |block: &Block| WholeBlock::check(Arc::new(block.clone())).is_some();
    for count in 0..9 {
        assert!(is_whole(&block(count)));
    }
    let good = block(5);
    let mut other = good.clone();
    other.txdata.swap(1, 2);
    assert!(!is_whole(&other), "another order");
    let mut other = good.clone();
    other.txdata.extend_from_slice(&good.txdata[4..]);
    assert_eq!(other.compute_merkle_root(), Some(good.header.merkle_root));
    assert!(!is_whole(&other), "a repeated end has the same root (CVE-2012-2459)");
    let mut other = good.clone();
    other.txdata[3].input[0].witness = Witness::from_slice(&[[1; 4]]);
    assert!(!is_whole(&other), "another witness");
    let mut other = good.clone();
    other.txdata[0].input[0].witness = Witness::new();
    assert!(!is_whole(&other), "no reserved value");
    let mut bare = block(2);
    bare.txdata[0].output.pop();
    bare.header.merkle_root = bare.compute_merkle_root().expect("some");
    assert!(!is_whole(&bare), "witnesses without a commitment");
    bare.txdata.iter_mut().for_each(|tx| tx.input[0].witness = Witness::new());
    assert!(is_whole(&bare), "neither");
    bare.txdata.remove(0);
    bare.header.merkle_root = bare.compute_merkle_root().expect("some");
    assert!(!is_whole(&bare), "no coinbase");
}
