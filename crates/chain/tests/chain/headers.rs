//! What peers ask of the headers.

use mycoin_chain::AcceptError;
use mycoin_consensus::{HeaderBranch as _, HeaderRuleError};
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::{Header, Height};
use mycoin_testkit::builders::{ChainBuilder, solved};

use crate::help::{Folder, NOW, Outcome, builder, feed, fresh};

/// All headers above genesis.
fn headers_of(builder: &ChainBuilder) -> Vec<Header> {
    builder.blocks().iter().skip(1).map(|block| block.header).collect()
}

#[test]
fn a_locator_steps_back_ever_faster_and_finds_the_headers_after_it() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(40);
    feed(&chain, &builder)?;
    let height = |hash| chain.header(&hash).expect("ours").height.to_u32();
    let heights: Vec<u32> = chain.locator().into_iter().map(height).collect();
    assert_eq!(heights, [40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 27, 23, 15, 0]);
    let other = self::builder(12);
    assert_eq!(other.blocks()[12], builder.blocks()[12], "builders are deterministic");
    let locator: Vec<_> = other.blocks().iter().rev().map(|block| block.block_hash()).collect();
    let headers = |stop, max| -> Vec<u32> {
        let headers = chain.headers_after(&locator, stop, max);
        headers.iter().map(|header| height(header.block_hash())).collect()
    };
    assert_eq!(headers(None, 3), [13, 14, 15]);
    assert_eq!(headers(Some(builder.blocks()[14].block_hash()), 9), [13, 14]);
    assert_eq!(chain.headers_after(&[], None, 2_000).len(), 40);
    assert!(chain.headers_after(&chain.locator(), None, 2_000).is_empty());
    Ok(())
}

#[test]
fn entries_tell_their_place() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(3);
    feed(&chain, &builder)?;
    let hashes: Vec<_> = builder.blocks().iter().map(|block| block.block_hash()).collect();
    let entry = chain.header(&hashes[1]).expect("ours");
    assert_eq!((entry.parent, entry.next, entry.transactions), (Some(hashes[0]), Some(hashes[2]), Some(1)));
    assert!(entry.on_best_chain && chain.has_block(&hashes[1]));
    assert_eq!(chain.header(&hashes[3]).expect("ours").next, None);
    assert_eq!((chain.hash_at(Height::new(2)), chain.hash_at(Height::new(4))), (Some(hashes[2]), None));
    assert!(chain.tip().work > entry.work);
    Ok(())
}

#[test]
fn a_branch_stays_what_it_was() -> Outcome {
    let (_folder, chain) = fresh();
    let old = builder(5);
    let mut new = old.fork(Height::new(2));
    new.mine_empty(5);
    feed(&chain, &old)?;
    let branch = chain.tip_branch();
    feed(&chain, &new)?;
    assert_eq!((branch.tip_hash(), branch.tip_height()), (old.tip().block_hash(), Height::new(5)));
    for (height, block) in (0..).zip(old.blocks()) {
        assert_eq!(branch.header_at(Height::new(height)), Some(block.header));
    }
    assert_eq!(branch.header_at(Height::new(6)), None);
    let tip = new.tip().block_hash();
    assert_eq!(chain.median_time_past(&tip), Some(new.blocks()[4].header.time));
    Ok(())
}

#[test]
fn headers_alone_survive_a_restart() -> Outcome {
    let folder = Folder::new();
    let chain = folder.open()?;
    let builder = builder(30);
    chain.accept_headers(&headers_of(&builder), NOW)?;
    drop(chain);
    let chain = folder.open()?;
    assert_eq!(chain.best_header().hash, builder.tip().block_hash());
    assert_eq!(chain.tip().height, Height::GENESIS);
    assert_eq!(chain.blocks_wanted(100).len(), 30);
    feed(&chain, &builder)?;
    crate::help::assert_equal(&chain, &builder)
}

#[test]
fn of_a_message_with_a_bad_header_those_before_it_are_kept() -> Outcome {
    let folder = Folder::new();
    let chain = folder.open()?;
    let good = headers_of(&builder(30));
    let mut bad_block = builder(30).blocks()[20].as_ref().clone();
    bad_block.header.version = Version::from_consensus(1);
    let bad = solved(bad_block).header;
    let mut headers = good.clone();
    headers[19] = bad;
    let error = chain.accept_headers(&headers, NOW).expect_err("block 20 has an old version");
    match error {
        AcceptError::Header { hash, source } => {
            assert_eq!((hash, *source), (bad.block_hash(), HeaderRuleError::ObsoleteVersion { version: 1 }));
        }
        other => return Err(other.into()),
    }
    assert_eq!(chain.best_header().hash, good[18].block_hash());
    drop(chain);
    let chain = folder.open()?;
    assert_eq!(chain.best_header().hash, good[18].block_hash(), "after a restart");
    assert!(chain.header(&bad.block_hash()).is_none());
    assert_eq!(chain.accept_headers(&good, NOW)?, 11, "the first 19 were there");
    assert_eq!(chain.accept_headers(&good, NOW)?, 0);
    Ok(())
}

/// The files of the store, by name, with what is in them.
fn store_files(folder: &Folder) -> std::io::Result<Vec<(std::ffi::OsString, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder.path().join("chain"))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push((entry.file_name(), std::fs::read(entry.path())?));
        }
    }
    Ok(files)
}

#[test]
fn of_a_message_that_was_not_written_whole_no_header_is_kept() -> Outcome {
    let folder = Folder::new();
    let headers = headers_of(&builder(30));
    let chain = folder.open()?;
    chain.accept_headers(&headers[..10], NOW)?;
    let before = store_files(&folder)?;
    chain.accept_headers(&headers[10..], NOW)?;
    drop(chain);
    let after = store_files(&folder)?;
    let changed = after.iter().find(|file| !before.contains(file)).expect("the headers were written");
    let (_, old) = before.iter().find(|(name, _)| *name == changed.0).expect("the file was there");
    let from = old.iter().zip(&changed.1).position(|(old, new)| old != new).unwrap_or(old.len());
    let to = changed.1.iter().rposition(|byte| *byte != 0).expect("it is not empty");
    assert!(to - from > 20 * 80, "the second message's headers stand there");
    let path = folder.path().join("chain").join(&changed.0);
    for cut in [from, from + 1, from + 100, (from + to) / 2, to - 100, to - 1] {
        let mut torn = changed.1.clone();
        torn[cut..].fill(0);
        std::fs::write(&path, &torn)?;
        let chain = folder.open()?;
        assert_eq!(chain.best_header().height, Height::new(10), "cut at {cut} of {from} to {to}");
    }
    std::fs::write(&path, &changed.1)?;
    assert_eq!(folder.open()?.best_header().height, Height::new(30));
    Ok(())
}
