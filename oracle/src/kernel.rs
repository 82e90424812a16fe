//! Bitcoin Core's consensus code as a receiver of blocks.
//!
//! In:    blocks and headers as bytes.
//! Out:   its verdict, its tip, and its reject reasons, which it tells in its log only.
//! Never: a verdict of ours.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use bitcoinkernel::core::{BlockHashExt, BlockHeaderExt};
use bitcoinkernel::prelude::BlockValidationStateExt;
use bitcoinkernel::{
    BlockHeader, BlockValidationResult, ChainType, ChainstateManager, Context, KernelError, Log, LogCategory, LogLevel,
    Logger, ProcessBlockHeaderResult, ProcessBlockResult,
};
use mycoin_primitives::BlockHash;
use mycoin_primitives::bitcoin::consensus::encode::serialize;
use mycoin_primitives::hashes::Hash;
use mycoin_testkit::block_cases::{Delivery, Outcome, Receiver, Verdict, wire_bytes};
use tempfile::TempDir;

/// What it logs when a block fails before its coins are looked up.
const FAILED: &str = "AcceptBlock FAILED (";
/// What it logs when a block cannot be connected: the block's hash and the reason follow.
const NOT_CONNECTED: &str = "ConnectBlock ";
/// What it logs when a header fails: the header's hash and the reason follow.
const BAD_HEADER: [&str; 2] = ["Consensus::CheckBlockHeader: ", "Consensus::ContextualCheckBlockHeader: "];

/// The lines that name reasons; the log is one for the whole process.
#[derive(Clone, Default)]
struct Reasons(Arc<Mutex<Vec<String>>>);

impl Log for Reasons {
    fn log(&self, message: &str) {
        let wanted = [FAILED, NOT_CONNECTED].iter().chain(&BAD_HEADER).any(|mark| message.contains(mark));
        if wanted && let Ok(mut lines) = self.0.lock() {
            lines.push(message.trim_end().to_owned());
        }
    }
}

impl Reasons {
    fn take(&self) -> Vec<String> {
        self.0.lock().map(|mut lines| std::mem::take(&mut *lines)).unwrap_or_default()
    }
}

static REASONS: OnceLock<Reasons> = OnceLock::new();

/// Begins to listen to the log. The logger lives as long as the process: keep what this returns.
///
/// # Errors
///
/// [`KernelError`] when the log cannot be connected.
pub(crate) fn listen() -> Result<Logger, KernelError> {
    let logger = Logger::new(REASONS.get_or_init(Reasons::default).clone())?;
    logger.set_level_category(LogCategory::Validation, LogLevel::Debug);
    logger.enable_category(LogCategory::Validation);
    Ok(logger)
}

/// A chain state of Bitcoin Core's on regtest, with nothing but the genesis block.
pub(crate) struct Kernel {
    chain: ChainstateManager,
    _context: Context,
    _folder: TempDir,
}

impl Kernel {
    /// Begins with the genesis block.
    pub(crate) fn new() -> Result<Self, KernelError> {
        let internal = |error: std::io::Error| KernelError::Internal(error.to_string());
        let folder = tempfile::tempdir().map_err(internal)?;
        let blocks = folder.path().join("blocks");
        std::fs::create_dir_all(&blocks).map_err(internal)?;
        let context = Context::builder().chain_type(ChainType::Regtest).build()?;
        // With a thread for scripts they are checked after everything else, as ours are.
        let chain = ChainstateManager::builder(&context, &folder.path().to_string_lossy(), &blocks.to_string_lossy())?
            .block_tree_db_in_memory(true)
            .chainstate_db_in_memory(true)
            .worker_threads(1)
            .build()?;
        chain.import_blocks()?;
        Ok(Self { chain, _context: context, _folder: folder })
    }

    fn tip(&self) -> BlockHash {
        BlockHash::from_byte_array(self.chain.active_chain().tip().block_hash().to_bytes())
    }

    fn block(&self, bytes: &[u8]) -> Outcome {
        let none = Vec::new();
        let Ok(block) = bitcoinkernel::Block::new(bytes) else {
            return Outcome { verdict: Verdict::Undecodable, tip: self.tip(), refused: none };
        };
        let hash = BlockHash::from_byte_array(block.hash().to_bytes());
        let _before = reasons();
        let result = self.chain.process_block(&block);
        let lines = reasons();
        let mut refused: Vec<(BlockHash, String)> = lines.iter().filter_map(|line| not_connected(line)).collect();
        let own = refused.iter().position(|(refused, _)| *refused == hash).map(|own| refused.remove(own).1);
        let verdict = match (result, own) {
            (_, Some(reason)) => Verdict::Rejected { reason },
            (ProcessBlockResult::NewBlock, None) => Verdict::Accepted,
            (ProcessBlockResult::Duplicate, None) => Verdict::Known,
            (ProcessBlockResult::Rejected, None) => {
                let reason = lines.iter().find_map(|line| reason_after(line, FAILED));
                Verdict::Rejected { reason: reason.unwrap_or_else(|| "unknown".to_owned()) }
            }
        };
        refused.sort();
        Outcome { verdict, tip: self.tip(), refused }
    }

    fn header(&self, bytes: &[u8]) -> Outcome {
        let verdict = match BlockHeader::new(bytes) {
            Err(_) => Verdict::Undecodable,
            Ok(header) => self.judge_header(&header),
        };
        Outcome { verdict, tip: self.tip(), refused: Vec::new() }
    }

    fn judge_header(&self, header: &BlockHeader) -> Verdict {
        let _before = reasons();
        let state = match self.chain.process_block_header(header) {
            Ok(ProcessBlockHeaderResult::Valid) => return Verdict::Accepted,
            Ok(ProcessBlockHeaderResult::Invalid(state)) => state,
            Err(error) => return Verdict::Rejected { reason: error.to_string() },
        };
        let lines = reasons();
        let hash = BlockHash::from_byte_array(header.hash().to_bytes());
        let logged = || {
            let marks = BAD_HEADER.iter().map(|mark| format!("{mark}{hash}, "));
            marks.into_iter().find_map(|mark| lines.iter().find_map(|line| reason_after(line, &mark)))
        };
        let reason = match state.result() {
            BlockValidationResult::CachedInvalid => "duplicate-invalid".to_owned(),
            BlockValidationResult::MissingPrev => "prev-blk-not-found".to_owned(),
            BlockValidationResult::InvalidPrev => "bad-prevblk".to_owned(),
            BlockValidationResult::Unset
            | BlockValidationResult::Consensus
            | BlockValidationResult::InvalidHeader
            | BlockValidationResult::Mutated
            | BlockValidationResult::TimeFuture
            | BlockValidationResult::HeaderLowWork => logged().unwrap_or_else(|| "unknown".to_owned()),
        };
        Verdict::Rejected { reason }
    }
}

fn reasons() -> Vec<String> {
    REASONS.get_or_init(Reasons::default).take()
}

/// The reason stands first, up to the debug message or the bracket's end. A script's reason has brackets of its own.
fn reason_after(line: &str, mark: &str) -> Option<String> {
    let (_, rest) = line.split_once(mark)?;
    let reason = rest.split_once(", ").map_or(rest, |(reason, _)| reason);
    let closes_nothing = reason.matches(')').count() > reason.matches('(').count();
    Some(if closes_nothing { reason.trim_end_matches(')').to_owned() } else { reason.to_owned() })
}

fn not_connected(line: &str) -> Option<(BlockHash, String)> {
    let (_, rest) = line.split_once(NOT_CONNECTED)?;
    let (hash, _) = rest.split_once(" failed, ")?;
    Some((hash.parse().ok()?, reason_after(line, " failed, ")?))
}

impl Receiver for Kernel {
    fn deliver(&mut self, delivery: &Delivery, now: Option<u32>) -> Outcome {
        wait_until(now);
        match delivery {
            Delivery::Block(block) => self.block(&wire_bytes(block)),
            Delivery::Bytes(bytes) => self.block(bytes),
            Delivery::Header(header) => self.header(&serialize(header)),
        }
    }
}

/// It has the machine's clock.
fn wait_until(time: Option<u32>) {
    let Some(time) = time else { return };
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(time));
    if let Ok(left) = then.duration_since(SystemTime::now()) {
        std::thread::sleep(left + Duration::from_millis(100));
    }
}
