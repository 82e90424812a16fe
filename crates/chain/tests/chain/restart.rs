//! Folders as a stopped, killed or powerless machine leaves them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mycoin_chain::{AcceptError, Chain, ChainError, ChainOptions};
use mycoin_consensus::HeaderBranch as _;
use mycoin_primitives::{Failure as _, Height, Network};
use mycoin_testkit::builders::ChainBuilder;

use crate::help::{Folder, Outcome, accept, assert_equal, builder, feed, payment};

pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    private_folder(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// Blocks with payments, so that coins are made and spent.
fn busy_builder(blocks: usize) -> ChainBuilder {
    let mut builder = builder(3);
    while builder.blocks().len() <= blocks {
        let first = payment(&builder, 0, 1_000);
        builder.mine(vec![first, payment(&builder, 1, 500)]);
    }
    builder
}

#[test]
fn a_restart_changes_nothing() -> Outcome {
    let folder = Folder::new();
    let builder = busy_builder(12);
    feed(&folder.open()?, &builder)?;
    for _ in 0..3 {
        assert_equal(&folder.open()?, &builder)?;
    }
    Ok(())
}

#[test]
fn a_second_open_is_refused_and_the_first_goes_on() -> Outcome {
    let folder = Folder::new();
    let chain = folder.open()?;
    let error = folder.open().expect_err("it is open");
    assert_eq!(error.code(), "storage/in-use");
    feed(&chain, &builder(1))?;
    Ok(())
}

#[test]
fn the_folder_of_another_network_is_refused() -> Outcome {
    let folder = Folder::new();
    drop(folder.open()?);
    let error = Chain::open(&folder.path(), Network::regtest(), ChainOptions::default()).expect_err("it is demo's");
    assert_eq!(error.code(), "storage/other-network");
    folder.open()?;
    Ok(())
}

#[test]
fn a_folder_that_others_can_use_is_refused() -> Outcome {
    let folder = Folder::new();
    drop(folder.open()?);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    assert_eq!(folder.open().expect_err("open to others").code(), "files/open-to-others");
    Ok(())
}

#[test]
fn a_folder_copied_between_any_two_blocks_stands_at_its_tip() -> Outcome {
    let folder = Folder::new();
    let chain = folder.open()?;
    let builder = busy_builder(8);
    for block in builder.blocks().iter().skip(1) {
        accept(&chain, block)?;
        // What `kill -9` leaves: nothing was closed, nothing was flushed by the program.
        let left = Folder::new();
        copy(&folder.path(), &left.path())?;
        let copied = left.open()?;
        assert_eq!(copied.tip(), chain.tip());
        assert_eq!(copied.coin_statistics()?, copied.recount()?);
        feed(&copied, &builder)?;
        assert_eq!(copied.tip().hash, builder.tip().block_hash());
    }
    Ok(())
}

#[test]
fn a_block_that_was_torn_while_it_was_written_is_cut_off() -> Outcome {
    let folder = Folder::new();
    let builder = busy_builder(6);
    feed(&folder.open()?, &builder)?;
    let path = folder.path().join("blocks/blk00000.dat");
    let length = fs::metadata(&path)?.len();
    let mut torn = Network::demo().magic.to_bytes().to_vec();
    torn.extend_from_slice(&[200, 0, 0, 0, 1, 2, 3]);
    OpenOptions::new().append(true).open(&path)?.write_all(&torn)?;
    let chain = folder.open()?;
    assert_eq!(fs::metadata(&path)?.len(), length);
    assert_equal(&chain, &builder)
}

#[test]
fn lost_blocks_count_as_not_downloaded_and_are_taken_again() -> Outcome {
    let folder = Folder::new();
    let builder = busy_builder(6);
    feed(&folder.open()?, &builder)?;
    let path = folder.path().join("blocks/blk00000.dat");
    let file = OpenOptions::new().write(true).open(&path)?;
    file.set_len(file.metadata()?.len() - 1)?;
    let chain = folder.open()?;
    let lost = builder.tip().block_hash();
    assert_eq!((chain.tip().hash, chain.block(&lost)?, chain.has_block(&lost)), (lost, None, false));
    assert_eq!(chain.blocks_wanted(9), [lost]);
    accept(&chain, builder.tip())?;
    assert!(chain.blocks_wanted(9).is_empty());
    assert_equal(&chain, &builder)?;
    let mut longer = builder.clone();
    longer.mine_empty(2);
    feed(&chain, &longer)?;
    drop(chain);
    assert_equal(&folder.open()?, &longer)
}

#[test]
fn a_damaged_recent_block_is_wanted_again() -> Outcome {
    use std::os::unix::fs::FileExt as _;
    let folder = Folder::new();
    let builder = busy_builder(6);
    feed(&folder.open()?, &builder)?;
    let file = OpenOptions::new().write(true).open(folder.path().join("blocks/blk00000.dat"))?;
    let block_length = mycoin_primitives::bitcoin::consensus::encode::serialize(builder.tip().as_ref()).len() as u64;
    file.write_all_at(&[0; 40], file.metadata()?.len() - block_length)?;
    let chain = folder.open()?;
    assert_eq!(chain.blocks_wanted(9), [builder.tip().block_hash()]);
    accept(&chain, builder.tip())?;
    assert_equal(&chain, &builder)
}

#[test]
fn a_lost_store_is_made_anew_from_the_block_files() -> Outcome {
    let folder = Folder::new();
    let old = busy_builder(6);
    let mut new = old.fork(Height::new(4));
    new.mine_empty(4);
    let chain = folder.open()?;
    // Headers first and the blocks last to first, so that they stand out of order in the file.
    let headers: Vec<_> = old.blocks().iter().skip(1).map(|block| block.header).collect();
    chain.accept_headers(&headers, u32::MAX)?;
    for block in old.blocks().iter().skip(1).rev() {
        accept(&chain, block)?;
    }
    feed(&chain, &new)?;
    drop(chain);
    let length = fs::metadata(folder.path().join("blocks/blk00000.dat"))?.len();
    fs::remove_dir_all(folder.path().join("chain"))?;
    let chain = folder.open()?;
    assert_equal(&chain, &new)?;
    assert_eq!(chain.tips().len(), 2);
    assert_eq!(fs::metadata(folder.path().join("blocks/blk00000.dat"))?.len(), length);
    Ok(())
}

#[test]
fn a_failing_disk_halts_the_chain_and_blames_no_block() -> Outcome {
    let folder = Folder::new();
    let chain = folder.open()?;
    let builder = busy_builder(6);
    feed(&chain, &builder)?;
    fs::remove_file(folder.path().join("blocks/blk00000.dat"))?;
    let mut fork = builder.fork(Height::new(4));
    fork.mine_empty(3);
    let blocks = fork.blocks();
    accept(&chain, &blocks[5])?;
    accept(&chain, &blocks[6])?;
    let error = accept(&chain, &blocks[7]).expect_err("the tip cannot be disconnected");
    assert!(matches!(error, AcceptError::Chain(ChainError::BlockMissing { .. })), "{error}");
    assert_eq!(error.verdict(), None);
    let after = accept(&chain, &blocks[7]).expect_err("it halted");
    assert!(matches!(after, AcceptError::Chain(ChainError::Halted { .. })), "{after}");
    assert_eq!(chain.tip().hash, builder.tip().block_hash(), "reading goes on");
    Ok(())
}

#[test]
fn the_folder_and_what_is_in_it_are_private() -> Outcome {
    let folder = Folder::new();
    let _chain = folder.open()?;
    for name in ["", "blocks", "chain"] {
        assert_eq!(fs::metadata(folder.path().join(name))?.permissions().mode() & 0o777, 0o700, "{name}");
    }
    for name in ["lock", "blocks/blk00000.dat"] {
        assert_eq!(fs::metadata(folder.path().join(name))?.permissions().mode() & 0o777, 0o600, "{name}");
    }
    Ok(())
}

const KILLED: &str = "MYCOIN_TEST_CHAIN_TO_KILL";

/// Not a test of its own: the process that `killed_at_any_moment` kills. It makes and takes blocks as fast as it can.
#[test]
fn process_to_kill() -> Outcome {
    let Some(path) = std::env::var_os(KILLED) else { return Ok(()) };
    let chain = Chain::open(Path::new(&path), Network::demo(), ChainOptions::default())?;
    let mut builder = builder(0);
    while let Some(hash) = chain.hash_at(builder.tip_height().next()) {
        let block = chain.block(&hash)?.expect("the best chain's blocks are stored");
        builder.push(block).map_err(|error| format!("{error:?}"))?;
    }
    for number in 1.. {
        if number % 4 == 0 {
            // A branch that leaves two blocks behind and wins by one.
            builder = builder.fork(builder.tip_height().back(2));
            builder.mine_empty(2);
            accept(&chain, &builder.blocks()[builder.blocks().len() - 2])?;
            accept(&chain, builder.tip())?;
        }
        let coins = builder.spendable().len().min(2);
        builder.mine((0..coins).map(|coin| payment(&builder, coin, 1_000)).collect());
        accept(&chain, builder.tip())?;
    }
    Ok(())
}

#[test]
fn killed_at_any_moment_it_stands_at_the_same_or_a_later_tip() -> Outcome {
    let folder = Folder::new();
    let mut height = folder.open()?.tip().height;
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", "restart::process_to_kill"])
            .env(KILLED, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        std::thread::sleep(Duration::from_millis(80 + round * 61 % 240));
        child.kill()?;
        child.wait()?;
        let chain = folder.open()?;
        assert!(chain.tip().height >= height, "round {round}");
        height = chain.tip().height;
        assert_eq!(chain.coin_statistics()?, chain.recount()?, "round {round}");
        chain.verify(u32::MAX)?;
    }
    assert!(height > Height::new(12), "the process took blocks before it was killed");
    Ok(())
}
