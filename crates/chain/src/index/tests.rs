//! The tree against the plainest way to the same answer. No header here has work: the index does not ask for it.

use mycoin_primitives::{Network, genesis_block};

use super::*;

/// A tree of `size` headers; each one's parent is chosen by a fixed, uneven walk. The first long branch is the best chain.
fn tree(size: usize) -> BlockIndex {
    let genesis = genesis_block(&Network::demo()).header;
    let mut index = BlockIndex::default();
    let mut ids = vec![index.insert(genesis.block_hash(), genesis, None)];
    for number in 1..size {
        let back = if number % 11 == 0 { number * 7 % ids.len() } else { 0 };
        let parent = ids[ids.len() - 1 - back];
        let nonce = u32::try_from(number).expect("small");
        let header = Header { prev_blockhash: index.get(parent).hash, nonce, ..genesis };
        ids.push(index.insert(header.block_hash(), header, Some(parent)));
    }
    index
}

fn position(number: u32) -> BlockPosition {
    BlockPosition { file: 0, offset: 8, length: number }
}

fn walk(index: &BlockIndex, id: Id, height: Height) -> Option<Id> {
    std::iter::successors(Some(id), |id| index.get(*id).parent).find(|id| index.get(*id).height == height)
}

#[test]
fn ancestors_are_those_of_a_walk_with_and_without_a_best_chain() {
    let mut index = tree(400);
    let tallest = index.best_header();
    for best in [Vec::new(), index.path(Id(0), tallest)] {
        index.best = if best.is_empty() { vec![Id(0)] } else { [vec![Id(0)], best].concat() };
        for id in index.ids() {
            for height in (0..=index.get(id).height.to_u32() + 1).map(Height::new) {
                assert_eq!(index.ancestor(id, height), walk(&index, id, height));
            }
        }
    }
}

#[test]
fn the_best_header_has_the_most_work() {
    let index = tree(400);
    let most = index.entries.iter().map(|entry| entry.work).max().expect("there are entries");
    assert_eq!(index.get(index.best_header()).work, most);
}

#[test]
fn blocks_stored_in_any_order_leave_what_a_fresh_look_at_the_tree_finds() {
    let mut index = tree(120);
    index.best = vec![Id(0)];
    index.derive();
    for step in 0..120_u32 {
        index.store_block(Id((step as usize * 77 + 5) % 120), position(step), 1);
        let complete = |index: &BlockIndex| -> Vec<bool> { index.entries.iter().map(|entry| entry.complete).collect() };
        let before = (complete(&index), index.candidates.clone(), index.best_header());
        index.derive();
        assert_eq!((complete(&index), index.candidates.clone(), index.best_header()), before, "step {step}");
    }
    assert!(index.entries.iter().all(|entry| entry.complete));
    assert!(index.waiting.is_empty() && index.lost.is_empty());
}

#[test]
fn a_mark_reaches_descendants_only_and_is_taken_back_with_the_ancestors_marks() {
    let mut index = tree(120);
    index.best = vec![Id(0)];
    for id in index.ids() {
        index.store_block(id, position(1), 1);
    }
    index.derive();
    let tallest = index.best_header();
    let middle = index.ancestor(tallest, Height::new(20)).expect("it is taller than that");
    index.mark_invalid(middle);
    for id in index.ids() {
        let descends = walk(&index, id, Height::new(20)) == Some(middle);
        assert_eq!(index.get(id).on_invalid, descends);
    }
    let candidate = index.best_candidate().expect("genesis at least");
    assert!(!index.get(candidate).on_invalid && !index.get(index.best_header()).on_invalid);
    index.mark_invalid(tallest);
    let mut cleared = index.clear_invalid(tallest);
    cleared.sort();
    assert_eq!(cleared, [middle, tallest]);
    assert!(index.entries.iter().all(|entry| !entry.on_invalid));
    assert_eq!(index.best_header(), tallest);
}
