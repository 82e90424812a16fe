//! The index against small chains without proof of work: it never checks validity.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{
    Amount, Block, Height, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, genesis_block,
};

use crate::{Index, IndexError, ScriptHash, ScriptTotals, Spend};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn script(n: u8) -> ScriptBuf {
    let mut bytes = vec![0, 20];
    bytes.extend([n; 20]);
    ScriptBuf::from_bytes(bytes)
}

fn tx(inputs: &[OutPoint], outputs: &[(u8, u64)]) -> Transaction {
    let input = |outpoint: &OutPoint| TxIn {
        previous_output: *outpoint,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = |(n, value): &(u8, u64)| TxOut { value: Amount::from_sat(*value), script_pubkey: script(*n) };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs.iter().map(output).collect(),
    }
}

fn coinbase(height: u32, branch: u8, to: u8, value: u64) -> Transaction {
    let mut coinbase = tx(&[OutPoint::null()], &[(to, value)]);
    let height = height.to_le_bytes();
    coinbase
        .input
        .iter_mut()
        .for_each(|input| input.script_sig = ScriptBuf::from_bytes([&height[..], &[branch]].concat()));
    coinbase
}

fn block(parent: &Block, txdata: Vec<Transaction>) -> Block {
    let mut header = genesis_block(&Network::demo()).header;
    header.prev_blockhash = parent.block_hash();
    let mut block = Block { header, txdata };
    block.header.merkle_root = block.compute_merkle_root().expect("there is a coinbase");
    block
}

fn outpoint(tx: &Transaction, vout: u32) -> OutPoint {
    OutPoint { txid: tx.compute_txid(), vout }
}

fn open(path: &Path) -> Result<Index, IndexError> {
    Index::open(&path.join("index"), &Network::demo())
}

fn fed(path: &Path, blocks: &[&Block]) -> Result<Index, IndexError> {
    let index = open(path)?;
    for block in blocks {
        index.connect(block)?;
    }
    Ok(index)
}

/// Everything that the index says about the scripts 0 to 9, and its tip.
fn answers(index: &Index) -> Result<BTreeMap<u8, String>, IndexError> {
    let reader = index.read();
    let mut all = BTreeMap::new();
    for n in 0..10 {
        let hash = ScriptHash::of(&script(n));
        let coins = reader.coins(&hash, 1_000)?;
        let totals = reader.totals(&hash)?;
        // The sums, the history and the coins tell the same story.
        assert_eq!(totals.funded_count - totals.spent_count, coins.len() as u64, "script {n}");
        let held: u64 = coins.iter().map(|coin| coin.value.to_sat()).sum();
        assert_eq!(totals.funded_sum - totals.spent_sum, held, "script {n}");
        let history = reader.history(&hash, None, 1_000)?;
        assert_eq!(totals.transactions, history.len() as u64, "script {n}");
        let spends: Vec<_> = coins.iter().map(|coin| reader.spend(&coin.outpoint)).collect::<Result<_, _>>()?;
        assert!(spends.iter().all(Option::is_none), "an unspent output has no spender");
        all.insert(n, format!("{totals:?} {coins:?} {history:?}"));
    }
    all.insert(255, format!("{:?}", reader.tip()?));
    Ok(all)
}

#[test]
fn a_new_index_holds_genesis() -> Outcome {
    let dir = tempfile::tempdir()?;
    let index = open(dir.path())?;
    let genesis = genesis_block(&Network::demo());
    let tip = index.read().tip()?;
    assert_eq!((tip.height, tip.hash), (Height::GENESIS, genesis.block_hash()));
    assert_eq!(index.read().full_block(&tip)?, genesis);
    assert!(matches!(index.disconnect(), Err(IndexError::AtGenesis)));
    Ok(())
}

#[test]
fn a_block_must_follow_the_tip() -> Outcome {
    let dir = tempfile::tempdir()?;
    let index = open(dir.path())?;
    let stranger =
        block(&block(&genesis_block(&Network::demo()), vec![coinbase(1, 0, 1, 50)]), vec![coinbase(2, 0, 1, 50)]);
    assert!(matches!(index.connect(&stranger), Err(IndexError::NotOnTip { .. })));
    Ok(())
}

#[test]
fn an_output_that_nobody_created_is_refused_and_nothing_changes() -> Outcome {
    let dir = tempfile::tempdir()?;
    let index = open(dir.path())?;
    let before = answers(&index)?;
    let ghost = outpoint(&coinbase(9, 9, 9, 9), 0);
    let bad = block(&genesis_block(&Network::demo()), vec![coinbase(1, 0, 1, 50), tx(&[ghost], &[(2, 1)])]);
    assert!(matches!(index.connect(&bad), Err(IndexError::UnknownOutput { .. })));
    assert_eq!(answers(&index)?, before);
    Ok(())
}

#[test]
fn another_coins_index_is_refused() -> Outcome {
    let dir = tempfile::tempdir()?;
    drop(open(dir.path())?);
    let other = Index::open(&dir.path().join("index"), &Network::regtest());
    assert!(matches!(other, Err(IndexError::OtherNetwork { .. })));
    Ok(())
}

#[test]
fn what_was_indexed_is_there_after_a_restart() -> Outcome {
    let dir = tempfile::tempdir()?;
    let first = block(&genesis_block(&Network::demo()), vec![coinbase(1, 0, 1, 50)]);
    let before = answers(&fed(dir.path(), &[&first])?)?;
    assert_eq!(answers(&open(dir.path())?)?, before);
    Ok(())
}

#[test]
fn a_chain_of_25_spends_of_one_script_in_one_block() -> Outcome {
    let dir = tempfile::tempdir()?;
    let first = block(&genesis_block(&Network::demo()), vec![coinbase(1, 0, 1, 5_000)]);
    let mut txdata = vec![coinbase(2, 0, 2, 50)];
    let mut last = outpoint(&first.txdata[0], 0);
    for step in 1..=25 {
        let spend = tx(&[last], &[(1, 5_000 - step)]);
        last = outpoint(&spend, 0);
        txdata.push(spend);
    }
    let second = block(&first, txdata);
    let index = fed(dir.path(), &[&first])?;
    let before = answers(&index)?;
    index.connect(&second)?;
    let hash = ScriptHash::of(&script(1));
    let totals = index.read().totals(&hash)?;
    assert_eq!((totals.funded_count, totals.spent_count, totals.transactions), (26, 25, 26));
    assert_eq!(totals.funded_sum - totals.spent_sum, 5_000 - 25);
    let coins = index.read().coins(&hash, 10)?;
    assert_eq!(coins.iter().map(|coin| coin.outpoint).collect::<Vec<_>>(), [last]);
    answers(&index)?;
    assert_eq!(index.disconnect()?, second);
    assert_eq!(answers(&index)?, before);
    Ok(())
}

#[test]
fn a_transaction_mined_again_at_another_height_counts_once() -> Outcome {
    let (dir, fresh_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let base = block(&genesis_block(&Network::demo()), vec![coinbase(1, 0, 1, 1_000)]);
    let pay = tx(&[outpoint(&base.txdata[0], 0)], &[(2, 600), (1, 300)]);
    let stale = block(&base, vec![coinbase(2, 0, 3, 50), pay.clone()]);
    let empty = block(&base, vec![coinbase(2, 1, 4, 50)]);
    let again = block(&empty, vec![coinbase(3, 1, 4, 50), pay.clone()]);

    let index = fed(dir.path(), &[&base, &stale])?;
    assert_eq!(index.disconnect()?, stale);
    assert_eq!(index.read().transaction(&pay.compute_txid())?, None);
    index.connect(&empty)?;
    index.connect(&again)?;
    assert_eq!(answers(&index)?, answers(&fed(fresh_dir.path(), &[&base, &empty, &again])?)?);
    let found = index.read().transaction(&pay.compute_txid())?.expect("it was mined again");
    assert_eq!((found.height, found.position), (Height::new(3), 1));
    let spend = index.read().spend(&outpoint(&base.txdata[0], 0))?;
    assert_eq!(spend, Some(Spend { txid: pay.compute_txid(), input: 0 }));
    assert_eq!(index.read().block(&stale.block_hash())?, None);
    Ok(())
}

#[test]
fn after_a_deep_reorganisation_the_index_equals_a_fresh_one() -> Outcome {
    let (dir, fresh_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let branch = |number: u8, length: u32| {
        let mut blocks: Vec<Block> = vec![];
        let mut parent = genesis_block(&Network::demo());
        for height in 1..=length {
            let to = number.wrapping_add((height % 3) as u8);
            let mut txdata = vec![coinbase(height, number, to, 1_000)];
            if let Some(last) = blocks.last() {
                // Each block spends the coinbase before it, partly to itself, and spends that change at once.
                let spend = tx(&[outpoint(&last.txdata[0], 0)], &[(to, 400), (9, 500)]);
                let change = tx(&[outpoint(&spend, 0)], &[(7, 100), (to, 200)]);
                txdata.extend([spend, change]);
            }
            let next = block(&parent, txdata);
            parent = next.clone();
            blocks.push(next);
        }
        blocks
    };
    let (old, new) = (branch(0, 30), branch(3, 33));
    let index = fed(dir.path(), &old.iter().collect::<Vec<_>>())?;
    for _ in 0..30 {
        index.disconnect()?;
    }
    assert_eq!(answers(&index)?, answers(&open(fresh_dir.path())?)?);
    for block in &new {
        index.connect(block)?;
    }
    assert_eq!(answers(&index)?, answers(&fed(fresh_dir.path(), &new.iter().collect::<Vec<_>>())?)?);
    Ok(())
}

/// Blocks that spend each other's coinbases, with outputs so large that tables leave the journal.
fn heavy_chain(branch: u8, length: u32, words: u32) -> Vec<Block> {
    let mut blocks: Vec<Block> = vec![];
    let mut parent = genesis_block(&Network::demo());
    for height in 1..=length {
        let mut ballast = coinbase(height, branch, (height % 3) as u8, 1_000);
        let noise =
            (0..words).map(|n| n.wrapping_mul(2_654_435_761).rotate_left(n % 31 + height)).flat_map(u32::to_le_bytes);
        let bytes: Vec<u8> = [0x6a].into_iter().chain(noise).collect();
        ballast.output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(bytes) });
        let mut txdata = vec![ballast];
        if let Some(last) = blocks.last() {
            txdata.push(tx(&[outpoint(&last.txdata[0], 0)], &[((height % 4) as u8, 900)]));
        }
        parent = block(&parent, txdata);
        blocks.push(parent.clone());
    }
    blocks
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            std::fs::copy(entry.path(), target).map(drop)?
        }
    }
    Ok(())
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut all = vec![];
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { all.extend(files(&entry.path())?) } else { all.push(entry.path()) }
    }
    all.sort();
    Ok(all)
}

/// Brings an index to the end of `chain` as the proxy does: back to the fork, then block by block.
fn follow(index: &Index, chain: &[Block]) -> Result<(), IndexError> {
    let at = |height: Height| height.previous().and_then(|below| chain.get(below.to_u32() as usize));
    loop {
        let tip = index.read().tip()?;
        if tip.height == Height::GENESIS || at(tip.height).is_some_and(|block| block.block_hash() == tip.hash) {
            return chain
                .iter()
                .skip(tip.height.to_u32() as usize)
                .try_for_each(|block| index.connect(block).map(drop));
        }
        index.disconnect()?;
    }
}

/// The answers after following `chain`, which may first find that the index is damaged, but is never wrong and never needs help.
fn healed(index: &Index, chain: &[Block]) -> Result<BTreeMap<u8, String>, IndexError> {
    let attempt = || {
        follow(index, chain)?;
        index.read().full_block(&index.read().tip()?)?;
        answers(index)
    };
    match attempt() {
        Err(error) if error.is_damage() => {
            index.rebuild(&error)?;
            attempt()
        }
        answers => answers,
    }
}

#[test]
fn whatever_file_is_bent_or_missing_the_index_comes_back() -> Outcome {
    each_file_hurt(&heavy_chain(0, 9, 100), |_| true)
}

#[test]
fn a_table_that_is_bent_or_missing_is_noticed() -> Outcome {
    // 600 kB a block: more than stays in the journal.
    each_file_hurt(&heavy_chain(0, 9, 150_000), |name| name.components().any(|part| part.as_os_str() == "tables"))
}

/// Each of these files of an index that lacks the last block of `chain`, bent or missing, one at a time.
fn each_file_hurt(chain: &[Block], which: impl Fn(&Path) -> bool) -> Outcome {
    let dir = tempfile::tempdir()?;
    let (seen, rest) = chain.split_at(8);
    drop(fed(dir.path(), &seen.iter().collect::<Vec<_>>())?);
    assert_eq!(rest.len(), 1);
    let fresh = tempfile::tempdir()?;
    let expected = answers(&fed(fresh.path(), &chain.iter().collect::<Vec<_>>())?)?;
    let whole = dir.path().join("index");
    let names: Vec<PathBuf> = files(&whole)?
        .into_iter()
        .map(|file| file.strip_prefix(&whole).map(PathBuf::from))
        .collect::<Result<_, _>>()?;
    let names: Vec<PathBuf> = names.into_iter().filter(|name| which(name)).collect();
    assert!(!names.is_empty(), "there are such files");
    // One is bent, the next one is missing.
    for (name, damage) in names.iter().zip(["flip", "delete"].into_iter().cycle()) {
        let hurt = tempfile::tempdir()?;
        let folder = hurt.path().join("index");
        copy(&whole, &folder)?;
        let file = folder.join(name);
        let mut bytes = std::fs::read(&file)?;
        let middle = bytes.len() / 2;
        bytes.iter_mut().skip(middle).take(3).for_each(|byte| *byte ^= 0x55);
        if damage == "delete" {
            std::fs::remove_file(&file)?
        } else {
            std::fs::write(&file, bytes)?
        }
        let index = open(hurt.path()).map_err(|error| format!("{damage} {name:?}: {error}"))?;
        let found = healed(&index, chain).map_err(|error| format!("{damage} {name:?}: {error}"))?;
        assert_eq!(found, expected, "{damage} {name:?}");
    }
    Ok(())
}

#[test]
fn dropped_at_any_block_and_reorganised_while_away_it_equals_a_fresh_one() -> Outcome {
    let (dir, fresh_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (old, new) = (heavy_chain(0, 8, 100), heavy_chain(5, 6, 100));
    let expected = answers(&fed(fresh_dir.path(), &new.iter().collect::<Vec<_>>())?)?;
    let index = open(dir.path())?;
    for (number, block) in old.iter().enumerate() {
        index.connect(block)?;
        // What `kill -9` leaves: the files as they stand, nothing flushed, nothing closed.
        let killed = tempfile::tempdir()?;
        copy(&dir.path().join("index"), &killed.path().join("index"))?;
        let again = open(killed.path())?;
        assert_eq!(again.read().tip()?.height.to_u32() as usize, number + 1, "no block that was taken in is lost");
        follow(&again, &new)?;
        assert_eq!(answers(&again)?, expected, "{number}");
    }
    Ok(())
}

#[test]
fn a_journal_that_lost_its_end_is_a_shorter_chain_or_begun_anew() -> Outcome {
    let dir = tempfile::tempdir()?;
    let chain = heavy_chain(0, 10, 100);
    let index = fed(dir.path(), &chain.iter().collect::<Vec<_>>())?;
    let expected = answers(&index)?;
    drop(index);
    let whole = dir.path().join("index");
    let journal = files(&whole)?.into_iter().rfind(|file| file.extension().is_some_and(|end| end == "jnl"));
    let journal = journal.ok_or("the store keeps a journal")?;
    let length = std::fs::metadata(&journal)?.len();
    for part in 0..4 {
        let hurt = tempfile::tempdir()?;
        copy(&whole, &hurt.path().join("index"))?;
        let cut = hurt.path().join("index").join(journal.strip_prefix(&whole)?);
        std::fs::OpenOptions::new().write(true).open(cut)?.set_len(length * part / 4)?;
        let index = open(hurt.path())?;
        follow(&index, &chain)?;
        assert_eq!(answers(&index)?, expected, "{part}");
    }
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_written_is_a_failure_and_no_damage() -> Outcome {
    use std::io::{Error, ErrorKind};
    let storage = |kind: ErrorKind| {
        IndexError::Storage(mycoin_storage::StorageError::Io {
            action: "write",
            path: PathBuf::new(),
            source: kind.into(),
        })
    };
    assert!(!storage(ErrorKind::StorageFull).is_damage());
    assert!(crate::error::is_disk_failure(&Error::from(ErrorKind::StorageFull)));
    assert!(!crate::error::is_disk_failure(&Error::from(ErrorKind::UnexpectedEof)));
    Ok(())
}

#[test]
fn history_comes_in_pages_newest_first() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut parent = genesis_block(&Network::demo());
    let index = open(dir.path())?;
    for height in 1..=60 {
        parent = block(&parent, vec![coinbase(height, 0, 1, 50)]);
        index.connect(&parent)?;
    }
    let hash = ScriptHash::of(&script(1));
    let first = index.read().history(&hash, None, 25)?;
    let heights = |page: &[crate::HistoryEntry]| page.iter().map(|entry| entry.height.to_u32()).collect::<Vec<_>>();
    assert_eq!(heights(&first), (36..=60).rev().collect::<Vec<_>>());
    let last = first.last().expect("25 entries");
    let second = index.read().history(&hash, Some((last.height, last.position)), 25)?;
    assert_eq!(heights(&second), (11..=35).rev().collect::<Vec<_>>());
    assert_eq!(index.read().totals(&ScriptHash::of(&script(5)))?, ScriptTotals::default());
    Ok(())
}
