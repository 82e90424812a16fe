//! The built-in miner: a thread that watches the trigger, builds templates, searches, and tells the story in the log.
//!
//! In:    how many transactions wait, a new tip, the clock.
//! Out:   blocks for the node; its state for `getminerinfo` and the event stream.
//! Never: a search that goes on over an old tip.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mycoin_mempool::{BlockTemplate, TemplateOptions};
use mycoin_miner::{Decision, Found, Outcome, Progress, Trigger, WaitReason, all_cores, has_sha_extensions, search};
use mycoin_primitives::{MiningTrigger, ScriptBuf, format_amount};
use mycoin_rpc::{MinerInfo, MinerState};

use crate::clock;
use crate::node::Node;

/// The longest sleep between two looks at the trigger; it is woken earlier when something happens.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The pause after a failure, so that it does not fill the log.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The miner's state, shared between its thread and the node.
pub(crate) struct Miner {
    state: Mutex<State>,
    wake: Condvar,
    /// Ends the search that runs: its tip is old, or the server stops.
    stop_search: AtomicBool,
}

struct State {
    trigger: Trigger,
    pays_to: Option<ScriptBuf>,
    waiting: u32,
    told_waiting: Option<u32>,
    progress: Option<Progress>,
    stopping: bool,
}

/// A found block did not become part of the best chain.
#[derive(Debug)]
pub(crate) enum MineError {
    /// The search was stopped because the tip changed, more often than it was tried again.
    TipMoves,
    /// No nonce was found within the tries that were allowed.
    NotFound,
    /// Our own block was refused, which is a fault of ours.
    Refused(mycoin_chain::AcceptError),
}

impl Miner {
    /// A miner that works when `when` says so and pays to `pays_to`; without a script it never works by itself.
    pub(crate) fn new(when: MiningTrigger, pays_to: Option<ScriptBuf>) -> Self {
        let when = if pays_to.is_some() { when } else { MiningTrigger::Off };
        let trigger = Trigger::new(when, clock::now());
        Self {
            state: Mutex::new(State {
                trigger,
                pays_to,
                waiting: 0,
                told_waiting: None,
                progress: None,
                stopping: false,
            }),
            wake: Condvar::new(),
            stop_search: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tip changed: what is searched now is worth nothing.
    pub(crate) fn tip_changed(&self) {
        self.stop_search.store(true, Ordering::Relaxed);
        self.state().trigger.new_tip(clock::now());
        self.wake.notify_all();
    }

    /// So many transactions wait now.
    pub(crate) fn transactions_changed(&self, waiting: usize) {
        self.state().waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.wake.notify_all();
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.state().stopping = true;
        self.stop_search.store(true, Ordering::Relaxed);
        self.wake.notify_all();
    }

    /// What it does now. `next_height` is the height above the tip.
    pub(crate) fn info(&self, next_height: u32) -> MinerInfo {
        let state = self.state();
        let needed = state.trigger.needed().map_or(0, |needed| needed.saturating_sub(state.waiting));
        let (hashes_per_second, hashes_tried) =
            state.progress.map_or((0, 0), |progress| (rate(&progress), progress.hashes_tried));
        MinerInfo {
            state: match (state.trigger.when(), &state.progress) {
                (_, Some(_)) => MinerState::Mining,
                (MiningTrigger::Off, None) => MinerState::Off,
                (_, None) => MinerState::Idle,
            },
            trigger: state.trigger.when().into(),
            waiting: u64::from(state.waiting),
            needed: u64::from(needed),
            hashes_per_second,
            hashes_tried,
            height: next_height,
        }
    }

    /// Waits until the trigger says to start; `None` when the thread should end.
    fn wait_for_start(&self) -> Option<ScriptBuf> {
        let mut state = self.state();
        loop {
            if state.stopping {
                return None;
            }
            let decision = state.trigger.decide(clock::now(), state.waiting);
            if decision == Decision::Start
                && let Some(script) = &state.pays_to
            {
                // Cleared under the lock: whoever asks to stop from here on, or brings a new tip, stops the search.
                self.stop_search.store(false, Ordering::Relaxed);
                return Some(script.clone());
            }
            if let Decision::Wait(WaitReason::Transactions { waiting, needed }) = decision
                && state.told_waiting.replace(waiting) != Some(waiting)
                && waiting > 0
            {
                tracing::info!("Miner: {waiting} of {needed} transactions wait; it starts at {needed}.");
            }
            state = self.wake.wait_timeout(state, LOOK_INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn pause(&self) {
        let state = self.state();
        if !state.stopping {
            drop(self.wake.wait_timeout(state, PAUSE_AFTER_FAILURE));
        }
    }
}

/// The miner's thread.
pub(crate) fn run(node: &Arc<Node>) {
    while let Some(script) = node.miner.wait_for_start() {
        match mine_by_trigger(node, script) {
            Ok(()) | Err(MineError::TipMoves) => {}
            Err(MineError::NotFound) => tracing::info!("Miner: every nonce was tried; it goes on with a new block."),
            Err(MineError::Refused(error)) => {
                tracing::error!("Miner: our own block was refused: {error}");
                node.miner.pause();
            }
        }
    }
}

fn mine_by_trigger(node: &Arc<Node>, script: ScriptBuf) -> Result<(), MineError> {
    let template = template(node, script, node.network().max_block_transactions);
    if template.fees.is_empty() && node.miner.state().trigger.needed().is_some() {
        // What waits cannot be mined now, and a block without it would not change that.
        node.miner.pause();
        return Ok(());
    }
    let threads = all_cores();
    let extensions = if has_sha_extensions() { "with SHA extensions" } else { "without SHA extensions" };
    tracing::info!(
        "Miner: {} transactions wait; mining of block {} starts with {} of them, on {threads} threads {extensions}.",
        node.mempool().len(),
        template.height,
        template.fees.len(),
    );
    let tell = |progress: Progress| {
        node.miner.state().progress = Some(progress);
        node.tell_miner(node.miner.info(template.height.to_u32()));
    };
    let outcome = search(template.block.header, threads, &node.miner.stop_search, &tell);
    node.miner.state().progress = None;
    let result = match outcome {
        Outcome::Found(found) => {
            tell_found(node, &template, &found);
            submit(node, &template, &found)
        }
        Outcome::Exhausted => Err(MineError::NotFound),
        Outcome::Stopped => {
            tracing::info!("Miner: stopped; the tip changed.");
            Err(MineError::TipMoves)
        }
    };
    node.tell_miner(node.miner.info(node.chain.tip().height.next().to_u32()));
    result
}

fn tell_found(node: &Node, template: &BlockTemplate, found: &Found) {
    let network = node.network();
    tracing::info!(
        "Miner: found block {} with nonce {} after {} hashes in {:.3} s ({} hashes/s): {} transactions, reward {}, fees {}, hash {}",
        template.height,
        found.header.nonce,
        found.progress.hashes_tried,
        found.progress.elapsed.as_secs_f64(),
        rate(&found.progress),
        template.fees.len() + 1,
        format_amount(template.subsidy, network),
        format_amount(template.total_fees, network),
        found.hash,
    );
}

fn submit(node: &Node, template: &BlockTemplate, found: &Found) -> Result<(), MineError> {
    let mut block = template.block.clone();
    block.header = found.header;
    node.submit_block(Arc::new(block)).map(|_| ()).map_err(MineError::Refused)
}

/// A template over the present tip. The time is as late as the rules ask for.
pub(crate) fn template(node: &Node, coinbase_script: ScriptBuf, max_transactions: Option<u32>) -> BlockTemplate {
    let options = TemplateOptions {
        coinbase_script,
        max_transactions,
        now: clock::header_now(),
        // The low 32 bits of the clock's nanoseconds: two coinbases of one height must not be the same transaction.
        extra_nonce: u64::from(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos()),
        ),
    };
    node.at_rest(|chain, mempool| mempool.block_template(&chain.tip_branch(), &options))
}

/// Looks for the nonce of a block that somebody asked for. One thread finds the same nonce each time, several may not.
pub(crate) fn solve(
    mut block: mycoin_primitives::Block,
    threads: usize,
) -> Result<mycoin_primitives::Block, MineError> {
    match search(block.header, threads, &AtomicBool::new(false), &|_| {}) {
        Outcome::Found(found) => {
            block.header = found.header;
            Ok(block)
        }
        Outcome::Exhausted | Outcome::Stopped => Err(MineError::NotFound),
    }
}

/// Whole hashes a second.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A rate for people; never negative.
fn rate(progress: &Progress) -> u64 {
    progress.hashes_per_second as u64
}
