//! The kept filters: the same as made afresh, whatever happened to the chain and to the index's folder.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use mycoin_chain::{Chain, FilterIndex, FilterIndexError, FilterRecord, block_filter};
use mycoin_primitives::bitcoin::bip158::{FilterHash, FilterHeader};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{BlockHash, Failure as _, Height};
use mycoin_testkit::builders::ChainBuilder;
use tempfile::TempDir;

use crate::help::{Outcome, builder, feed, fresh, payment};
use crate::restart::copy;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What must stand at each block of a chain, made by its own undo data.
fn expected(builder: &ChainBuilder) -> Vec<(BlockHash, Vec<u8>, FilterRecord)> {
    let mut before = FilterHeader::all_zeros();
    let each = builder.blocks().iter().zip(builder.undo()).map(|(block, undo)| {
        let filter = block_filter(block, undo);
        before = filter.filter_header(&before);
        let record = FilterRecord { filter: FilterHash::hash(&filter.content), header: before };
        (block.block_hash(), filter.content, record)
    });
    each.collect()
}

/// How many blocks of the chain the index holds; each of them as it must be.
fn held(index: &FilterIndex, builder: &ChainBuilder) -> Result<usize, FilterIndexError> {
    let mut count = 0;
    for (hash, filter, record) in expected(builder) {
        if let Some(found) = index.filter(&hash)? {
            assert_eq!(found, (filter, record));
            count += 1;
        }
    }
    Ok(count)
}

fn catch_up(index: &FilterIndex, chain: &Chain) -> Result<Option<Height>, FilterIndexError> {
    index.catch_up(chain, |_| ControlFlow::Continue(()))
}

/// Another branch of a few blocks with payments, one longer than what it takes the place of.
fn branch(from: &ChainBuilder, depth: u32) -> ChainBuilder {
    let mut new = from.fork(height(from).back(depth));
    for number in 0..=u64::from(depth) {
        new.mine(vec![payment(&new, 0, 1_000 + number)]);
    }
    new
}

fn height(builder: &ChainBuilder) -> Height {
    Height::new(u32::try_from(builder.blocks().len() - 1).expect("few blocks"))
}

#[test]
fn after_reorganisations_kills_and_restarts_the_index_is_as_if_made_afresh() -> Outcome {
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let (_folder, chain) = fresh();
        let mut branches = vec![builder(6)];
        feed(&chain, &branches[0])?;
        let mut home = tempfile::tempdir()?;
        let mut index = FilterIndex::open(&home.path().join("filters"))?;
        for _ in 0..24 {
            let best = branches.last().expect("one at least");
            let new = branch(best, u32::try_from(dice.below(5))?);
            feed(&chain, &new)?;
            branches.push(new);
            // Killed after any number of blocks: the files as they stand, nothing flushed, nothing closed.
            let mut steps = dice.below(8);
            index.catch_up(&chain, |_| {
                steps = steps.saturating_sub(1);
                if steps == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            match dice.below(3) {
                0 => {}
                1 => {
                    drop(index);
                    index = FilterIndex::open(&home.path().join("filters"))?;
                }
                _ => {
                    let killed = tempfile::tempdir()?;
                    copy(&home.path().join("filters"), &killed.path().join("filters"))?;
                    index = FilterIndex::open(&killed.path().join("filters"))?;
                    home = killed;
                }
            }
            for branch in &branches {
                held(&index, branch)?;
            }
        }
        let best = branches.last().expect("one at least");
        assert_eq!(catch_up(&index, &chain)?, Some(height(best)));
        assert_eq!(held(&index, best)?, best.blocks().len());
        let stale = branches.iter().filter(|branch| {
            let tip = branch.tip().block_hash();
            !best.blocks().iter().any(|block| block.block_hash() == tip)
                && index.record(&tip).is_ok_and(|r| r.is_some())
        });
        assert!(stale.count() > 3, "what was held is kept when it leaves the best chain");
    }
    Ok(())
}

#[test]
fn what_left_the_best_chain_before_it_was_taken_in_is_not_held() -> Outcome {
    let (_folder, chain) = fresh();
    let old = builder(5);
    feed(&chain, &old)?;
    let new = branch(&old, 2);
    feed(&chain, &new)?;
    let home = tempfile::tempdir()?;
    let index = FilterIndex::open(&home.path().join("filters"))?;
    assert_eq!(catch_up(&index, &chain)?, Some(height(&new)));
    assert_eq!((held(&index, &new)?, held(&index, &old)?), (new.blocks().len(), 4));
    // A chain that is shorter now, and then as before, asks for nothing more.
    let marked = new.blocks()[4].block_hash();
    chain.invalidate(&marked)?;
    assert_eq!(catch_up(&index, &chain)?, Some(height(&old)));
    assert_eq!(held(&index, &old)?, 6, "the old branch is the best again, and was taken in");
    chain.reconsider(&marked)?;
    assert_eq!(index.catch_up(&chain, |_| panic!("it holds all"))?, Some(height(&new)));
    Ok(())
}

#[test]
fn killed_after_any_block_it_goes_on_where_it_stood() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = branch(&builder(12), 6);
    feed(&chain, &builder)?;
    let home = tempfile::tempdir()?;
    let whole = home.path().join("filters");
    let index = FilterIndex::open(&whole)?;
    let mut copies: Vec<TempDir> = Vec::new();
    index.catch_up(&chain, |_| {
        let killed = tempfile::tempdir().expect("there is room");
        copy(&whole, &killed.path().join("filters")).expect("they can be read");
        copies.push(killed);
        ControlFlow::Continue(())
    })?;
    assert_eq!(copies.len(), builder.blocks().len());
    for (number, killed) in copies.iter().enumerate() {
        let again = FilterIndex::open(&killed.path().join("filters"))?;
        assert_eq!(held(&again, &builder)?, number + 1, "no block that was taken in is lost");
        let mut first = None;
        again.catch_up(&chain, |height| {
            first.get_or_insert(height);
            ControlFlow::Continue(())
        })?;
        let next = Height::new(u32::try_from(number + 1)?);
        assert_eq!(first, (next <= height(&builder)).then_some(next), "none is made twice");
        assert_eq!(held(&again, &builder)?, builder.blocks().len());
    }
    Ok(())
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

/// Opens the index, has it catch up and reads all; as the server does, one that proves damaged is marked and opened again.
fn healed(folder: &Path, chain: &Chain, builder: &ChainBuilder) -> Result<usize, FilterIndexError> {
    let attempt = |index: &FilterIndex| {
        catch_up(index, chain)?;
        held(index, builder)
    };
    let index = FilterIndex::open(folder)?;
    match attempt(&index) {
        Err(error) if error.is_damage() => {
            assert_eq!(error.code(), "filters/damaged");
            index.mark_damaged()?;
            drop(index);
            attempt(&FilterIndex::open(folder)?)
        }
        done => done,
    }
}

#[test]
fn a_damaged_index_is_made_anew() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = branch(&builder(12), 6);
    feed(&chain, &builder)?;
    let home = tempfile::tempdir()?;
    let whole = home.path().join("filters");
    catch_up(&FilterIndex::open(&whole)?, &chain)?;
    let names = files(&whole)?;
    assert!(!names.is_empty());
    for name in &names {
        let name = name.strip_prefix(&whole)?;
        for damage in ["bent", "cut", "missing"] {
            let hurt = tempfile::tempdir()?;
            let folder = hurt.path().join("filters");
            copy(&whole, &folder)?;
            let file = folder.join(name);
            let mut bytes = fs::read(&file)?;
            let middle = bytes.len() / 2;
            match damage {
                "bent" => bytes.iter_mut().skip(middle).take(3).for_each(|byte| *byte ^= 0x55),
                "cut" => bytes.truncate(middle),
                _ => {}
            }
            fs::remove_file(&file)?;
            if damage != "missing" {
                fs::write(&file, bytes)?;
            }
            let count = healed(&folder, &chain, &builder).map_err(|error| format!("{damage} {name:?}: {error}"))?;
            assert_eq!(count, builder.blocks().len(), "{damage} {name:?}");
        }
    }
    // A mark alone is enough.
    let index = FilterIndex::open(&whole)?;
    index.mark_damaged()?;
    drop(index);
    assert_eq!(held(&FilterIndex::open(&whole)?, &builder)?, 0);
    Ok(())
}

#[test]
fn an_index_in_use_is_not_taken_for_a_damaged_one() -> Outcome {
    let home = tempfile::tempdir()?;
    let folder = home.path().join("filters");
    let _held = FilterIndex::open(&folder)?;
    let error = FilterIndex::open(&folder).expect_err("it is open");
    assert_eq!((error.code(), error.is_damage()), ("storage/in-use", false));
    Ok(())
}

#[test]
fn a_chain_that_changes_meanwhile_neither_stops_nor_confuses_it() -> Outcome {
    let (_folder, chain) = fresh();
    let old = builder(12);
    let new = branch(&old, 6);
    feed(&chain, &old)?;
    feed(&chain, &new)?;
    let marked = new.blocks()[7].block_hash();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        let changes = scope.spawn(|| -> Result<(), mycoin_chain::ChainError> {
            for _ in 0..15 {
                chain.invalidate(&marked)?;
                chain.reconsider(&marked)?;
            }
            is_over.store(true, Ordering::Relaxed);
            Ok(())
        });
        while !is_over.load(Ordering::Relaxed) && !changes.is_finished() {
            let home = tempfile::tempdir()?;
            let index = FilterIndex::open(&home.path().join("filters"))?;
            for _ in 0..20 {
                catch_up(&index, &chain)?;
            }
            held(&index, &old)?;
            held(&index, &new)?;
        }
        changes.join().expect("it does not panic")?;
        Ok(())
    })?;
    let home = tempfile::tempdir()?;
    let index = FilterIndex::open(&home.path().join("filters"))?;
    assert_eq!(catch_up(&index, &chain)?, Some(height(&new)));
    assert_eq!(held(&index, &new)?, new.blocks().len());
    Ok(())
}

#[test]
fn hashes_at_heights_are_those_of_the_best_chain() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(4);
    feed(&chain, &builder)?;
    let hash = |height: usize| builder.blocks()[height].block_hash();
    assert_eq!(chain.hashes_at(&[4, 0, 2]), Some(vec![hash(4), hash(0), hash(2)]));
    assert_eq!((chain.hashes_at(&[4, 5]), chain.hashes_at(&[])), (None, Some(Vec::new())));
    Ok(())
}
