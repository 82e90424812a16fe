//! Bringing the header chain to a proxy's best chain.
//!
//! In:    a proxy's headers, by batch.
//! Out:   the chain with the most work, each header checked; how far it got, as it goes.
//! Never: a branch with less work; a proxy's word for a height or a hash.

use mycoin_primitives::bitcoin::consensus::deserialize;
use mycoin_primitives::{Header, Height};

use crate::answers::Tip;
use crate::client::ProxyClient;
use crate::error::LightError;
use crate::header_chain::HeaderChain;
use crate::proof::ProofError;

/// How many headers one answer holds at most, as in Bitcoin's `headers` message.
const HEADERS_AT_ONCE: u32 = 2_000;
const HEADER_BYTES: usize = 80;
/// How often to begin again when the proxy's chain is reorganised in mid-question.
const ATTEMPTS: usize = 3;

/// How far the headers have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderProgress {
    /// The last header that was checked.
    pub height: Height,
    /// The height that the proxy names as its tip.
    pub target: Height,
}

/// Is told as headers come in.
pub type OnHeaders<'a> = &'a (dyn Fn(HeaderProgress) + Send + Sync);

impl ProxyClient {
    /// Brings `chain` to the proxy's best chain, checking each header; `now` in seconds since 1970. Returns the proxy's tip,
    /// which is part of the chain then: below its tip when the proxy lags.
    ///
    /// # Errors
    ///
    /// [`LightError::Proof`] when the proxy's headers break a rule, or its branch has no more work than `chain`. Headers that
    /// were valid and brought more work before that stay.
    pub async fn sync_headers(
        &self,
        chain: &mut HeaderChain,
        now: u32,
        progress: OnHeaders<'_>,
    ) -> Result<Tip, LightError> {
        let mut outcome = Err(LightError::BadAnswer { what: "headers" });
        for _ in 0..ATTEMPTS {
            let tip = self.tip().await?;
            outcome = self.follow(chain, tip, now, progress).await.map(|()| tip);
            // A chain that was reorganised between two answers looks like this; so does one that lies, but it does so again.
            let may_have_moved =
                matches!(outcome, Err(LightError::Proof(ProofError::NotLinked { .. }) | LightError::BadAnswer { .. }));
            if !may_have_moved {
                break;
            }
        }
        outcome
    }

    async fn follow(
        &self,
        chain: &mut HeaderChain,
        tip: Tip,
        now: u32,
        progress: OnHeaders<'_>,
    ) -> Result<(), LightError> {
        if chain.contains(&tip) {
            return Ok(());
        }
        let mut branch = chain.branch(self.common_height(chain, tip.height).await?);
        while branch.tip_height() < tip.height {
            let headers = self.headers(branch.tip_height().next(), tip.height.above(branch.tip_height())).await?;
            if headers.is_empty() {
                return Err(LightError::BadAnswer { what: "headers" });
            }
            chain.extend(&mut branch, &headers, now)?;
            let height = branch.tip_height();
            progress(HeaderProgress { height, target: tip.height });
            if chain.is_worth_less_than(&branch) {
                chain.adopt(branch);
                branch = chain.branch(height);
            }
        }
        match chain.hash_at(tip.height) {
            Some(hash) if hash == tip.hash => Ok(()),
            _ if branch.tip_hash() == tip.hash => Err(ProofError::LessWork.into()),
            _ => Err(LightError::BadAnswer { what: "headers" }),
        }
    }

    /// A height at which both have the same block: the last one, or not far below.
    async fn common_height(&self, chain: &HeaderChain, tip: Height) -> Result<Height, LightError> {
        let mut common = chain.tip_height().min(tip);
        let mut step = 1;
        while chain.hash_at(common) != Some(self.block_hash(common).await?) {
            if common == Height::GENESIS {
                return Err(LightError::BadAnswer { what: "its first block" });
            }
            common = common.back(step);
            step = step.saturating_mul(2);
        }
        Ok(common)
    }

    /// At most `count` headers from a height on, unchecked; fewer when the chain ends before, or when there are many.
    pub(crate) async fn headers(&self, from: Height, count: u32) -> Result<Vec<Header>, LightError> {
        let bad = LightError::BadAnswer { what: "headers" };
        let count = count.min(HEADERS_AT_ONCE);
        let limit = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(HEADER_BYTES);
        let bytes = self.checked().await?.get(&format!("/api/headers/{from}/{count}"), "headers", limit).await?;
        if bytes.len() % HEADER_BYTES != 0 {
            return Err(bad);
        }
        let headers = bytes.chunks_exact(HEADER_BYTES).map(deserialize).collect::<Result<_, _>>();
        headers.map_err(|_| bad)
    }
}
