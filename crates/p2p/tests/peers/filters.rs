//! Compact filters for light clients: ranges, limits, and what is not offered.

use mycoin_p2p::{Action, DisconnectReason, Event, FilterProblem, Message, Offence, PeerId, World as _};
use mycoin_primitives::BlockHash;
use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::message_filter::{GetCFCheckpt, GetCFHeaders, GetCFilters};
use mycoin_primitives::hashes::Hash as _;

use crate::protocol::{Script, commands, dropped, sent, version};

/// A node with a chain of `count` blocks that serves filters, and a peer.
fn serving(count: u32) -> Script {
    let mut script = Script::new();
    script.world.filters.set(()).expect("set once");
    script.world.mine(count, 1);
    script.event(Event::NewTip);
    script.friend(1);
    script
}

fn hash_at(script: &Script, height: u32) -> BlockHash {
    script.world.filter_rows(&[height]).expect("it is there")[0].block
}

fn filters(script: &Script, start_height: u32, end: u32) -> Message {
    Message::GetCFilters(GetCFilters { filter_type: 0, start_height, stop_hash: hash_at(script, end) })
}

fn headers(script: &Script, start_height: u32, end: u32) -> Message {
    Message::GetCFHeaders(GetCFHeaders { filter_type: 0, start_height, stop_hash: hash_at(script, end) })
}

fn problem(actions: &[Action]) -> Option<FilterProblem> {
    match dropped(actions, 1)? {
        DisconnectReason::Misbehaved(Offence::FilterRequest { problem }) => Some(problem.clone()),
        other => panic!("{other}"),
    }
}

/// Reads all that is sent until nothing comes.
fn drain(script: &mut Script, mut actions: Vec<Action>) -> Vec<Action> {
    let mut all = Vec::new();
    while !actions.is_empty() {
        let count = commands(&actions, 1).len();
        assert!((1..=100).contains(&count), "{count} in one go");
        all.extend(actions);
        actions = script.event(Event::Drained { peer: PeerId(1) });
    }
    all
}

#[test]
fn filters_are_not_offered_without_an_index_and_asking_ends_the_connection() {
    let mut script = Script::new();
    script.connect(1, [10, 0, 0, 1]);
    let answer = script.says(1, version(1, 70_016));
    let Some(Message::Version(ours)) = sent(&answer, 1).first().copied() else { panic!("a version") };
    assert!(!ours.services.has(ServiceFlags::COMPACT_FILTERS));
    script.says(1, Message::Verack);
    let stop_hash = script.world.tip().1;
    let wish = Message::GetCFCheckpt(GetCFCheckpt { filter_type: 0, stop_hash });
    assert_eq!(problem(&script.says(1, wish)), Some(FilterProblem::NotServed { filter_type: 0 }));
}

#[test]
fn the_service_is_told_where_there_is_an_index() {
    let mut script = serving(1);
    script.connect(2, [10, 0, 0, 2]);
    let answer = script.says(2, version(2, 70_016));
    let Some(Message::Version(ours)) = sent(&answer, 2).first().copied() else { panic!("a version") };
    assert!(ours.services.has(ServiceFlags::COMPACT_FILTERS));
}

#[test]
fn a_thousand_filters_are_given_for_one_request_a_hundred_in_one_go() {
    for count in [999, 1_000] {
        let mut script = serving(1_005);
        let wish = filters(&script, 6, 5 + count);
        let actions = script.says(1, wish);
        let all = drain(&mut script, actions);
        let given: Vec<BlockHash> = sent(&all, 1)
            .into_iter()
            .map(
                |message| {
                    if let Message::CFilter(filter) = message { filter.block_hash } else { panic!("{message:?}") }
                },
            )
            .collect();
        assert_eq!(given, (6..=5 + count).map(|height| hash_at(&script, height)).collect::<Vec<_>>());
    }
    let mut script = serving(1_005);
    let wish = filters(&script, 5, 1_005);
    assert_eq!(problem(&script.says(1, wish)), Some(FilterProblem::TooMany { count: 1_001, limit: 1_000 }));
}

#[test]
fn two_thousand_filter_headers_are_given_after_the_one_before() {
    for (start, count) in [(0, 1_999), (0, 2_000), (2, 2_000)] {
        let mut script = serving(2_001);
        let wish = headers(&script, start, start + count - 1);
        let actions = script.says(1, wish);
        let [Message::CFHeaders(answer)] = sent(&actions, 1)[..] else { panic!("{actions:?}") };
        assert_eq!(answer.filter_hashes.len(), count as usize);
        let before = start.checked_sub(1).map(|height| script.world.filter_rows(&[height]).expect("there")[0].header);
        assert_eq!(Some(answer.previous_filter_header), before.or(Some(mycoin_primitives::hashes::Hash::all_zeros())));
        assert_eq!(answer.filter_hashes[0], script.world.filter_rows(&[start]).expect("there")[0].filter);
    }
    let mut script = serving(2_001);
    let wish = headers(&script, 1, 2_001);
    assert_eq!(problem(&script.says(1, wish)), Some(FilterProblem::TooMany { count: 2_001, limit: 2_000 }));
}

#[test]
fn checkpoints_are_a_thousand_blocks_apart() {
    for (height, expected) in [(999, vec![]), (1_000, vec![1_000]), (1_001, vec![1_000]), (2_000, vec![1_000, 2_000])] {
        let mut script = serving(2_000);
        let stop_hash = hash_at(&script, height);
        let actions = script.says(1, Message::GetCFCheckpt(GetCFCheckpt { filter_type: 0, stop_hash }));
        let [Message::CFCheckpt(answer)] = sent(&actions, 1)[..] else { panic!("{actions:?}") };
        let rows = script.world.filter_rows(&expected).expect("they are there");
        assert_eq!(answer.filter_headers, rows.into_iter().map(|row| row.header).collect::<Vec<_>>());
    }
}

#[test]
fn unknown_types_and_blocks_and_backward_ranges_end_the_connection() {
    let unknown = BlockHash::all_zeros();
    for (start_height, stop, filter_type, expected) in [
        (0, None, 1, FilterProblem::NotServed { filter_type: 1 }),
        (0, Some(unknown), 0, FilterProblem::UnknownBlock { hash: unknown }),
        (4, None, 0, FilterProblem::Backwards { start: 4, end: 3 }),
    ] {
        let mut script = serving(3);
        let stop_hash = stop.unwrap_or_else(|| hash_at(&script, 3));
        let actions = script.says(1, Message::GetCFilters(GetCFilters { filter_type, start_height, stop_hash }));
        assert_eq!(problem(&actions), Some(expected));
    }
}

#[test]
fn ten_thousand_filters_may_wait_for_a_peer() {
    let mut script = serving(1_000);
    let wish = filters(&script, 1, 1_000);
    // The first hundred leave at once.
    (0..10).for_each(|_| drop(script.says(1, wish.clone())));
    let exactly = filters(&script, 1, 100);
    assert!(script.says(1, exactly).is_empty());
    let over = filters(&script, 1, 1);
    let reason = DisconnectReason::Misbehaved(Offence::TooManyRequests { limit: 10_000 });
    assert_eq!(dropped(&script.says(1, over), 1), Some(&reason));
}
