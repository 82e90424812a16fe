//! Branches against branches, and the file against whatever happens to files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mycoin_consensus::next_bits;
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{CompactTarget, Retarget};

use super::*;

const NOW: u32 = 1_900_000_000;

/// The header on top of `chain` that comes `seconds` after its tip, with its proof of work. `salt` tells branches apart.
fn mined(chain: &HeaderChain, seconds: u32, salt: i32) -> Header {
    let parent = chain.header_at(chain.tip_height()).expect("the tip");
    let mut header = Header {
        version: Version::from_consensus(0x2000_0000 | salt),
        prev_blockhash: parent.block_hash(),
        time: parent.time + seconds,
        bits: next_bits(chain.network(), chain),
        nonce: 0,
        ..parent
    };
    while header.validate_pow(header.target()).is_err() {
        header.nonce += 1;
    }
    header
}

fn grow(chain: &mut HeaderChain, length: u32, seconds: u32, salt: i32) {
    for _ in 0..length {
        let header = mined(chain, seconds, salt);
        chain.push(&[header], NOW).expect("a good header");
    }
}

fn chain_of(network: &Network, length: u32, seconds: u32, salt: i32) -> HeaderChain {
    let mut chain = HeaderChain::new(network);
    grow(&mut chain, length, seconds, salt);
    chain
}

fn demo(length: u32, salt: i32) -> HeaderChain {
    chain_of(&Network::demo(), length, 1, salt)
}

fn above(chain: &HeaderChain, fork: u32) -> Vec<Header> {
    chain.headers[fork as usize + 1..].to_vec()
}

#[test]
fn a_header_must_be_linked_and_carry_its_work() {
    let mut chain = demo(3, 0);
    let good = mined(&chain, 1, 0);
    let stranger = Header { prev_blockhash: BlockHash::all_zeros(), ..good };
    assert_eq!(chain.push(&[stranger], NOW), Err(ProofError::NotLinked { height: Height::new(4) }));
    let mut idle = good;
    while idle.validate_pow(idle.target()).is_ok() {
        idle.nonce += 1;
    }
    for bad in [Header { bits: CompactTarget::from_consensus(0x2100_ffff), ..good }, idle] {
        let refused = chain.push(&[bad], NOW);
        assert!(matches!(refused, Err(ProofError::HeaderRule { .. })), "{refused:?}");
    }
    assert_eq!(chain.tip_height(), Height::new(3));
    assert_eq!(chain.push(&[good], NOW), Ok(()));
}

#[test]
fn a_header_must_have_the_difficulty_that_its_branch_asks_for() {
    for retarget in [Retarget::None, Retarget::Asert { half_life: 600 }, Retarget::Bitcoin] {
        let network = Network { retarget, ..Network::demo() };
        let mut chain = chain_of(&network, 20, 1, 0);
        let mut header = mined(&chain, 1, 0);
        header.bits = if header.bits == network.pow_limit {
            CompactTarget::from_consensus(0x2000_ffff)
        } else {
            network.pow_limit
        };
        while header.validate_pow(header.target()).is_err() {
            header.nonce += 1;
        }
        match chain.push(&[header], NOW) {
            Err(ProofError::HeaderRule { rule, .. }) => {
                assert!(rule.contains("target") || rule.contains("bits"), "{rule}")
            }
            other => panic!("{retarget:?}: {other:?}"),
        }
    }
}

#[test]
fn a_header_is_neither_older_than_the_median_nor_from_the_future() {
    let mut chain = demo(20, 0);
    let parent = chain.header_at(chain.tip_height()).expect("the tip");
    let mut old = Header { time: parent.time - 5, ..mined(&chain, 1, 0) };
    while old.validate_pow(old.target()).is_err() {
        old.nonce += 1;
    }
    assert!(matches!(chain.push(&[old], NOW), Err(ProofError::HeaderRule { .. })));
    let next = mined(&chain, 1, 0);
    let two_hours = 7_200;
    assert!(matches!(chain.push(&[next], next.time - two_hours - 1), Err(ProofError::HeaderRule { .. })));
    assert_eq!(chain.push(&[next], next.time - two_hours), Ok(()));
}

#[test]
fn most_work_wins_and_not_most_headers() {
    let network = Network { retarget: Retarget::Asert { half_life: 60 }, spacing: 60, ..Network::demo() };
    // Blocks that come fast become hard; blocks that come as planned stay easy.
    let (mut easy, hard) = (chain_of(&network, 30, 60, 0), chain_of(&network, 10, 1, 4));
    assert!(hard.work() > easy.work(), "ten hard blocks");
    assert_eq!(easy.follow(Height::GENESIS, &above(&hard, 0), NOW), Ok(()));
    assert_eq!(easy.tip(), hard.tip());
    assert_eq!(easy.work(), hard.work());
    let mut hard = hard;
    let long = chain_of(&network, 30, 60, 0);
    assert_eq!(hard.follow(Height::GENESIS, &above(&long, 0), NOW), Err(ProofError::LessWork));
    assert_eq!(hard.tip(), easy.tip());
}

#[test]
fn of_two_branches_with_equal_work_the_first_stays() {
    let (mut ours, theirs) = (demo(3, 0), demo(3, 4));
    let before = ours.tip();
    assert_eq!(ours.follow(Height::GENESIS, &above(&theirs, 0), NOW), Err(ProofError::LessWork));
    assert_eq!(ours.tip(), before);
    assert_eq!(
        ours.follow(Height::new(1), &above(&demo(3, 0), 1), NOW),
        Ok(()),
        "what is known already changes nothing"
    );
    let longer = demo(4, 4);
    assert_eq!(ours.follow(Height::GENESIS, &above(&longer, 0), NOW), Ok(()));
    assert_eq!((ours.tip(), ours.work()), (longer.tip(), longer.work()));
}

#[test]
fn a_deep_reorganisation_is_followed_and_a_bad_one_changes_nothing() {
    let (mut ours, theirs) = (demo(300, 0), demo(301, 4));
    let mut bad = above(&theirs, 0);
    if let Some(last) = bad.last_mut() {
        last.time -= 20; // older than the median, and its proof of work is gone
    }
    let before = ours.tip();
    assert!(ours.follow(Height::GENESIS, &bad, NOW).is_err());
    assert_eq!(ours.tip(), before);
    assert_eq!(ours.follow(Height::GENESIS, &above(&theirs, 0), NOW), Ok(()));
    assert_eq!(ours.hash_at(Height::new(1)), theirs.hash_at(Height::new(1)));
    assert_eq!((ours.tip(), ours.work()), (theirs.tip(), theirs.work()));
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    mycoin_files::ensure_private_dir(&private(&folder)).expect("made");
    folder
}

fn private(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join("wallets")
}

fn open(folder: &tempfile::TempDir) -> HeaderChain {
    HeaderChain::open(&private(folder), &Network::demo()).expect("a folder of ours")
}

fn path(folder: &tempfile::TempDir) -> std::path::PathBuf {
    private(folder).join("headers.dat")
}

#[test]
fn the_file_keeps_the_chain_and_its_reorganisations() {
    let folder = folder();
    let mut chain = open(&folder);
    grow(&mut chain, 10, 1, 0);
    let other = {
        let mut other = HeaderChain::new(&Network::demo());
        other.push(&above(&chain, 0)[..6], NOW).expect("good headers");
        grow(&mut other, 5, 1, 4);
        other
    };
    chain.follow(Height::new(6), &above(&other, 6), NOW).expect("more work");
    let (tip, work) = (chain.tip(), chain.work());
    drop(chain);
    assert_eq!(fs::metadata(path(&folder)).expect("made").permissions().mode() & 0o777, 0o600);
    let mut chain = open(&folder);
    assert_eq!((chain.tip(), chain.work()), (tip, work));
    assert_eq!(chain.tip_height(), Height::new(11));
    grow(&mut chain, 1, 1, 0);
    chain.forget();
    assert_eq!(chain.tip_height(), Height::GENESIS);
    drop(chain);
    let chain = open(&folder);
    assert_eq!((chain.tip_height(), chain.work()), (Height::GENESIS, HeaderChain::new(&Network::demo()).work()));
}

#[test]
fn a_file_that_was_cut_anywhere_loses_its_last_record_and_goes_on() {
    let dir = folder();
    let mut chain = open(&dir);
    grow(&mut chain, 3, 1, 0);
    let three = fs::metadata(path(&dir)).expect("made").len();
    grow(&mut chain, 1, 1, 0);
    let whole = fs::read(path(&dir)).expect("ours");
    let tip = chain.tip();
    drop(chain);
    for length in three..whole.len() as u64 {
        let cut = folder();
        fs::write(path(&cut), &whole[..length as usize]).expect("ours");
        fs::set_permissions(path(&cut), fs::Permissions::from_mode(0o600)).expect("ours");
        let mut chain = open(&cut);
        assert_eq!(chain.tip_height(), Height::new(3), "{length}");
        grow(&mut chain, 1, 1, 0);
        assert_eq!(chain.tip(), tip);
        drop(chain);
        assert_eq!(open(&cut).tip(), tip, "{length}");
    }
}

#[test]
fn a_bent_byte_ends_the_log_where_it_stands() {
    let dir = folder();
    let mut chain = open(&dir);
    grow(&mut chain, 4, 1, 0);
    let tip = chain.tip();
    drop(chain);
    let whole = fs::read(path(&dir)).expect("ours");
    for place in 0..whole.len() {
        let mut bent = whole.clone();
        bent[place] ^= 0x20;
        fs::write(path(&dir), &bent).expect("ours");
        let mut chain = open(&dir);
        let left = chain.tip_height().to_u32();
        assert!(left < 4, "byte {place}");
        grow(&mut chain, 4 - left, 1, 0);
        assert_eq!(chain.tip(), tip, "byte {place}");
        drop(chain);
        assert_eq!(open(&dir).tip(), tip, "byte {place}");
    }
}

#[test]
fn the_file_of_another_coin_is_not_used() {
    let dir = folder();
    grow(&mut open(&dir), 3, 1, 0);
    let regtest = HeaderChain::open(&private(&dir), &Network::regtest()).expect("a folder of ours");
    assert_eq!(regtest.tip(), HeaderChain::new(&Network::regtest()).tip());
}

#[test]
fn one_process_writes_and_others_read() {
    let dir = folder();
    let mut writer = open(&dir);
    grow(&mut writer, 3, 1, 0);
    let mut reader = open(&dir);
    assert_eq!(reader.tip(), writer.tip());
    grow(&mut reader, 2, 1, 4);
    grow(&mut writer, 1, 1, 0);
    drop(reader);
    let tip = writer.tip();
    drop(writer);
    assert_eq!(open(&dir).tip(), tip);
}

#[test]
fn a_file_that_others_can_use_is_refused() {
    let dir = folder();
    drop(open(&dir));
    fs::set_permissions(path(&dir), fs::Permissions::from_mode(0o644)).expect("ours");
    assert!(matches!(HeaderChain::open(&private(&dir), &Network::demo()), Err(FilesError::OpenToOthers { .. })));
}

#[test]
fn a_log_of_much_that_was_undone_is_written_anew() {
    let dir = folder();
    let mut chain = open(&dir);
    for round in 0..3 {
        grow(&mut chain, 1_000, 1, round);
        chain.forget();
    }
    grow(&mut chain, 5, 1, 0);
    let tip = chain.tip();
    drop(chain);
    let before = fs::metadata(path(&dir)).expect("ours").len();
    assert_eq!(open(&dir).tip(), tip);
    let after = fs::metadata(path(&dir)).expect("ours").len();
    assert!(before > 240_000 && after < 1_000, "{before} → {after}");
    assert_eq!(open(&dir).tip(), tip);
}
