//! What the node keeps of one chain: the folder's lock, the block files, and the tables for index, coins, undo data and tip.
//!
//! In:    [`Commit`]s that the chain decided on, raw blocks.
//! Out:   the records of the last commit, whatever stopped the process.
//! Never: coins of one tip beside the name of another: one batch holds both.
//!
//! Order of writing: a block is on disk before any record that points to it. Batches reach the disk in the order of their commits,
//! so what a loss of power takes away is the newest of them, and the chain goes back to an earlier tip that is whole.

use std::collections::BTreeMap;
use std::path::Path;

use mycoin_files::{FilesError, FolderLock};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{BlockHash, BlockUndo, Coin, Header, Height, OutPoint};

use crate::block_files::BlockFiles;
use crate::codec::{self, FORMAT};
use crate::store::Scan;
use crate::{Batch, BlockPosition, Snapshot, StorageError, Store, Table};

const INDEX: &str = "index";
const COINS: &str = "coins";
const UNDO: &str = "undo";
const META: &str = "meta";

const META_FORMAT: &[u8] = b"format";
const META_GENESIS: &[u8] = b"genesis";
const META_TIP: &[u8] = b"tip";
const META_RULES: &[u8] = b"rules";

/// One header of the block index, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRecord {
    /// Its hash.
    pub hash: BlockHash,
    /// The header.
    pub header: Header,
    /// Its height.
    pub height: Height,
    /// Whether the block itself was found or marked invalid.
    pub invalid: bool,
    /// Whether it was connected once.
    pub connected: bool,
    /// Where the block stands, and the number of its transactions; `None` while it is not stored.
    pub stored: Option<(BlockPosition, u32)>,
}

/// Changes that belong together. All of them are kept, or none.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Records of the block index, new or changed.
    pub index: Vec<IndexRecord>,
    /// Coins that are there now.
    pub created: Vec<(OutPoint, Coin)>,
    /// Coins that are gone.
    pub spent: Vec<OutPoint>,
    /// The undo data of a block that was connected.
    pub undo: Option<(BlockHash, BlockUndo)>,
    /// A block that was disconnected, whose undo data are not needed any more.
    pub undone: Option<BlockHash>,
    /// The block after which the coins stand now.
    pub tip: Option<BlockHash>,
    /// The version of the rules by which the index marks blocks invalid from now on.
    pub rules: Option<u32>,
}

/// What was found when the folder was opened.
#[derive(Debug)]
pub struct Stored {
    /// The block index, in no special order.
    pub index: Vec<IndexRecord>,
    /// The block after which the coins stand; `None` in a new folder.
    pub tip: Option<BlockHash>,
    /// Whole blocks in the block files that the index does not know.
    pub unknown: Vec<BlockPosition>,
    /// The version of the rules by which blocks were marked invalid; 0 in a folder from before it was kept.
    pub rules: u32,
}

/// One network's folder, which this process alone works in.
#[derive(Debug)]
pub struct ChainStore {
    store: Store,
    index: Table,
    coins: Table,
    undo: Table,
    meta: Table,
    files: BlockFiles,
    _lock: FolderLock,
}

/// The coins as they stood at one moment, and their tip.
pub struct CoinsSnapshot<'a> {
    snapshot: Snapshot,
    store: &'a ChainStore,
}

impl ChainStore {
    /// Opens the chain in `folder`, whose genesis block has this hash; begins a new one in an empty folder.
    ///
    /// `folder` is of mode 0700, or it is made.
    ///
    /// # Errors
    ///
    /// [`StorageError::InUse`] when another process has it, [`StorageError::OtherNetwork`] and [`StorageError::UnknownFormat`]
    /// for a folder that was not written by this program for this network; it is not changed then.
    pub fn open(folder: &Path, magic: [u8; 4], genesis: BlockHash) -> Result<(Self, Stored), StorageError> {
        mycoin_files::ensure_private_dir(folder)?;
        let lock = FolderLock::take(folder, "lock").map_err(|error| match error {
            FilesError::Locked { path } => StorageError::InUse { path },
            error => error.into(),
        })?;
        let (store, [index, coins, undo, meta]) = Store::open(&folder.join("chain"), [INDEX, COINS, UNDO, META])?;
        check_origin(folder, &store, &meta, genesis)?;
        let mut records = index.scan(&[]).map(read_record).collect::<Result<Vec<_>, _>>()?;
        let mut known = BTreeMap::new();
        for (position, _) in records.iter().filter_map(|record| record.stored) {
            let end = known.entry(position.file).or_insert(0);
            *end = position.end().max(*end);
        }
        let (files, unknown) = BlockFiles::open(&folder.join("blocks"), magic, &known)?;
        let chain = Self { store, index, coins, undo, meta, files, _lock: lock };
        chain.forget_lost_blocks(&mut records)?;
        let tip = chain.meta.get(META_TIP)?.as_deref().map(read_hash).transpose()?;
        let rules = chain.meta.get(META_RULES)?.map_or(Ok(0), |bytes| read_number(&bytes))?;
        Ok((chain, Stored { index: records, tip, unknown, rules }))
    }

    /// Appends a block to the block files and waits until it is on disk.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; nothing was appended.
    pub fn append_block(&self, block: &[u8]) -> Result<BlockPosition, StorageError> {
        self.files.append(block)
    }

    /// Reads a block; `None` when it does not stand there any more.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub fn read_block(&self, position: BlockPosition) -> Result<Option<Vec<u8>>, StorageError> {
        self.files.read(position)
    }

    /// Keeps all of `commit`, in one step that survives `kill -9`.
    ///
    /// A commit that moves the tip survives a loss of power as well; others after the next such one, or after [`Self::sync`].
    ///
    /// # Errors
    ///
    /// [`StorageError::Store`]; the process should end then.
    pub fn commit(&self, commit: &Commit) -> Result<(), StorageError> {
        let mut batch = self.store.batch_of(commit.spent.len() + commit.created.len() + commit.index.len() + 3);
        for record in &commit.index {
            batch.put(&self.index, record.hash.as_byte_array(), &codec::encode_index(record));
        }
        self.put_coins(&mut batch, commit);
        if let Some((hash, undo)) = &commit.undo {
            batch.put(&self.undo, hash.as_byte_array(), &codec::encode_undo(undo));
        }
        if let Some(hash) = &commit.undone {
            batch.delete(&self.undo, hash.as_byte_array());
        }
        if let Some(rules) = commit.rules {
            batch.put(&self.meta, META_RULES, &rules.to_le_bytes());
        }
        if let Some(tip) = &commit.tip {
            batch.put(&self.meta, META_TIP, tip.as_byte_array());
            return self.store.commit_durably(batch);
        }
        self.store.commit(batch)
    }

    /// In the order of their keys, by which the table finds the place of each near that of the one before.
    fn put_coins(&self, batch: &mut Batch, commit: &Commit) {
        let spent = commit.spent.iter().map(|outpoint| (codec::outpoint_key(outpoint), None));
        let created = commit.created.iter().map(|(outpoint, coin)| (codec::outpoint_key(outpoint), Some(coin)));
        let mut coins: Vec<_> = spent.chain(created).collect();
        // The first bytes are enough for that. Of one key the removal stays before the coin.
        coins.sort_by_key(|(key, _)| key.first_chunk().copied().map(u64::from_be_bytes));
        let mut record = Vec::new();
        for (key, coin) in coins {
            match coin {
                Some(coin) => {
                    record.clear();
                    codec::write_coin(&mut record, coin);
                    batch.put(&self.coins, &key, &record);
                }
                None => batch.delete(&self.coins, &key),
            }
        }
    }

    /// Waits until all commits are on disk.
    ///
    /// # Errors
    ///
    /// [`StorageError::Store`].
    pub fn sync(&self) -> Result<(), StorageError> {
        self.store.sync()
    }

    /// The coin at `outpoint`, if it is unspent.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StorageError> {
        read_coin(self.coins.get(&codec::outpoint_key(outpoint))?)
    }

    /// The undo data of a block of the best chain.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub fn undo(&self, block: &BlockHash) -> Result<Option<BlockUndo>, StorageError> {
        let Some(bytes) = self.undo.get(block.as_byte_array())? else { return Ok(None) };
        codec::decode_undo(&bytes).map(Some).ok_or(StorageError::BadRecord { table: UNDO })
    }

    /// The coins and their tip as they stand now, whatever is committed afterwards.
    pub fn snapshot(&self) -> CoinsSnapshot<'_> {
        CoinsSnapshot { snapshot: self.store.snapshot(), store: self }
    }

    /// What the chain takes on disk in bytes: block files and store.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub fn size(&self) -> Result<u64, StorageError> {
        Ok(self.store.size()? + self.files.lengths()?.values().sum::<u64>())
    }

    /// Blocks whose bytes a block file has lost count as never stored; their room in the file is written again.
    fn forget_lost_blocks(&self, records: &mut [IndexRecord]) -> Result<(), StorageError> {
        let lengths = self.files.lengths()?;
        let lost = |position: &BlockPosition| lengths.get(&position.file).is_none_or(|length| position.end() > *length);
        let mut forgotten = Commit::default();
        for record in records {
            if record.stored.is_some_and(|(position, _)| lost(&position)) {
                tracing::warn!(block = %record.hash, height = %record.height, "a stored block was lost; it counts as not downloaded");
                record.stored = None;
                forgotten.index.push(record.clone());
            }
        }
        if forgotten.index.is_empty() {
            return Ok(());
        }
        self.commit(&forgotten)?;
        self.sync()
    }
}

impl CoinsSnapshot<'_> {
    /// The block after which the coins stand.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub fn tip(&self) -> Result<Option<BlockHash>, StorageError> {
        self.snapshot.get(&self.store.meta, META_TIP)?.as_deref().map(read_hash).transpose()
    }

    /// The coin at `outpoint`, if it is unspent.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StorageError> {
        read_coin(self.snapshot.get(&self.store.coins, &codec::outpoint_key(outpoint))?)
    }

    /// All coins, in the order of their outpoints (transaction id as it is hashed, then the output's number).
    pub fn coins(&self) -> impl Iterator<Item = Result<(OutPoint, Coin), StorageError>> {
        let scan: Scan = self.snapshot.scan(&self.store.coins, &[]);
        scan.map(|pair| {
            let (key, value) = pair?;
            let outpoint = codec::decode_outpoint_key(&key).ok_or(StorageError::BadRecord { table: COINS })?;
            let coin = codec::decode_coin(&value).ok_or(StorageError::BadRecord { table: COINS })?;
            Ok((outpoint, coin))
        })
    }
}

/// Checks that the store was written in this format for this chain; marks a new one.
fn check_origin(folder: &Path, store: &Store, meta: &Table, genesis: BlockHash) -> Result<(), StorageError> {
    let damaged = StorageError::BadRecord { table: META };
    match (meta.get(META_FORMAT)?, meta.get(META_GENESIS)?) {
        (None, None) => {
            let mut batch = store.batch();
            batch.put(meta, META_FORMAT, &FORMAT.to_le_bytes());
            batch.put(meta, META_GENESIS, genesis.as_byte_array());
            store.commit(batch)
        }
        (Some(format), Some(found)) => {
            let format = read_number(&format)?;
            if format != FORMAT {
                return Err(StorageError::UnknownFormat { path: folder.to_owned(), found: format, known: FORMAT });
            }
            let found = read_hash(&found)?;
            if found != genesis {
                return Err(StorageError::OtherNetwork { path: folder.to_owned(), found, expected: genesis });
            }
            Ok(())
        }
        _ => Err(damaged),
    }
}

fn read_hash(bytes: &[u8]) -> Result<BlockHash, StorageError> {
    BlockHash::from_slice(bytes).map_err(|_| StorageError::BadRecord { table: META })
}

fn read_number(bytes: &[u8]) -> Result<u32, StorageError> {
    bytes.try_into().map(u32::from_le_bytes).map_err(|_| StorageError::BadRecord { table: META })
}

fn read_record(pair: Result<crate::Pair, StorageError>) -> Result<IndexRecord, StorageError> {
    let (key, value) = pair?;
    codec::decode_index(&key, &value).ok_or(StorageError::BadRecord { table: INDEX })
}

fn read_coin(value: Option<Vec<u8>>) -> Result<Option<Coin>, StorageError> {
    let Some(value) = value else { return Ok(None) };
    codec::decode_coin(&value).map(Some).ok_or(StorageError::BadRecord { table: COINS })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::{Amount, Network, ScriptBuf, TxOut, Txid, genesis_block};

    const MAGIC: [u8; 4] = *b"demo";

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn open(folder: &Path) -> Result<(ChainStore, Stored), StorageError> {
        ChainStore::open(folder, MAGIC, Network::demo().genesis.hash)
    }

    fn coin(sat: u64) -> Coin {
        let output = TxOut { value: Amount::from_sat(sat), script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
        Coin { output, height: Height::new(7), is_coinbase: true }
    }

    fn outpoint(vout: u32) -> OutPoint {
        OutPoint { txid: Txid::from_byte_array([7; 32]), vout }
    }

    fn record(store: &ChainStore) -> Result<IndexRecord, StorageError> {
        let header = genesis_block(&Network::demo()).header;
        let stored = Some((store.append_block(b"block")?, 1));
        let (hash, height) = (header.block_hash(), Height::GENESIS);
        Ok(IndexRecord { hash, header, height, invalid: false, connected: true, stored })
    }

    #[test]
    fn a_commit_is_there_after_a_restart() -> Outcome {
        let tmp = tempfile::tempdir()?;
        let folder = tmp.path().join("demo");
        let (store, found) = open(&folder)?;
        assert!(found.index.is_empty() && found.tip.is_none() && found.unknown.is_empty());
        let record = record(&store)?;
        let undo = BlockUndo { spent: vec![vec![coin(3)]] };
        store.commit(&Commit {
            index: vec![record.clone()],
            created: vec![(outpoint(1), coin(1)), (outpoint(0), coin(2))],
            undo: Some((record.hash, undo.clone())),
            tip: Some(record.hash),
            ..Commit::default()
        })?;
        let before = store.snapshot();
        store.commit(&Commit { spent: vec![outpoint(1)], ..Commit::default() })?;
        assert_eq!(before.coins().collect::<Result<Vec<_>, _>>()?, [(outpoint(0), coin(2)), (outpoint(1), coin(1))]);
        assert_eq!((before.tip()?, before.coin(&outpoint(1))?), (Some(record.hash), Some(coin(1))));
        drop(before);
        drop(store);
        let (store, found) = open(&folder)?;
        assert_eq!((found.index, found.tip), (vec![record.clone()], Some(record.hash)));
        assert_eq!((store.coin(&outpoint(0))?, store.coin(&outpoint(1))?), (Some(coin(2)), None));
        assert_eq!(store.undo(&record.hash)?, Some(undo));
        assert!(store.size()? > 0);
        Ok(())
    }

    #[test]
    fn the_rules_version_is_nought_until_one_is_kept() -> Outcome {
        let tmp = tempfile::tempdir()?;
        let folder = tmp.path().join("demo");
        let (store, found) = open(&folder)?;
        assert_eq!(found.rules, 0);
        store.commit(&Commit { rules: Some(3), ..Commit::default() })?;
        drop(store);
        assert_eq!(open(&folder)?.1.rules, 3);
        Ok(())
    }

    #[test]
    fn a_block_that_its_file_lost_counts_as_not_stored() -> Outcome {
        let tmp = tempfile::tempdir()?;
        let folder = tmp.path().join("demo");
        let (store, _) = open(&folder)?;
        store.commit(&Commit { index: vec![record(&store)?], ..Commit::default() })?;
        drop(store);
        let file = std::fs::OpenOptions::new().write(true).open(folder.join("blocks/blk00000.dat"))?;
        file.set_len(10)?;
        for _ in 0..2 {
            let (_, found) = open(&folder)?;
            assert_eq!(found.index.first().expect("the record stays").stored, None);
        }
        assert_eq!(file.metadata()?.len(), 0);
        Ok(())
    }

    #[test]
    fn a_folder_is_opened_once() -> Outcome {
        let tmp = tempfile::tempdir()?;
        let _held = open(&tmp.path().join("demo"))?;
        assert!(matches!(open(&tmp.path().join("demo")), Err(StorageError::InUse { .. })));
        Ok(())
    }

    #[test]
    fn the_folder_of_another_network_is_refused() -> Outcome {
        let tmp = tempfile::tempdir()?;
        let folder = tmp.path().join("demo");
        drop(open(&folder)?);
        let other = ChainStore::open(&folder, MAGIC, Network::mycoin().genesis.hash);
        assert!(matches!(other, Err(StorageError::OtherNetwork { .. })));
        Ok(())
    }

    #[test]
    fn an_unknown_format_is_refused() -> Outcome {
        let tmp = tempfile::tempdir()?;
        let folder = tmp.path().join("demo");
        let (store, _) = open(&folder)?;
        let mut batch = store.store.batch();
        batch.put(&store.meta, META_FORMAT, &(FORMAT + 1).to_le_bytes());
        store.store.commit(batch)?;
        drop(store);
        assert!(matches!(open(&folder), Err(StorageError::UnknownFormat { found: 2, known: 1, .. })));
        Ok(())
    }
}
