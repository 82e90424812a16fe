//! What peers ask of the headers.

use mycoin_consensus::HeaderBranch as _;
use mycoin_primitives::Height;

use crate::help::{NOW, Outcome, builder, feed, fresh};

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
    let folder = crate::help::Folder::new();
    let chain = folder.open()?;
    let builder = builder(30);
    let headers: Vec<_> = builder.blocks().iter().skip(1).map(|block| block.header).collect();
    chain.accept_headers(&headers, NOW)?;
    drop(chain);
    let chain = folder.open()?;
    assert_eq!(chain.best_header().hash, builder.tip().block_hash());
    assert_eq!(chain.tip().height, Height::GENESIS);
    assert_eq!(chain.blocks_wanted(100).len(), 30);
    feed(&chain, &builder)?;
    crate::help::assert_equal(&chain, &builder)
}
