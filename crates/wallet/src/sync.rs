//! Bringing the ledger up to date with what proxies tell, and prove.
//!
//! In:    the answers of one proxy or several about our scripts, and headers, which are checked and kept.
//! Out:   one change, written to the file before it counts; a [`SyncReport`], which says where the proxies differ.
//! Never: a confirmed transaction without its Merkle proof into a header of our own best chain; a change when anything does
//!        not fit; a balance on a proxy's word.
//!
//! ```text
//! sync ─┬─ gather ── known     asks one proxy, and not for what is proven already
//!       ├─ compare ── warning  of several proxies what each hides, and what all together prove
//!       └─ take_in             what is new, into the ledger
//! ```

mod compare;
mod gather;
mod known;
mod take_in;
mod warning;

use std::path::Path;

use mycoin_light::{HeaderChain, LightError, ProofError, ProxyClient, Readiness, Tip};
use mycoin_primitives::Height;

use crate::error::{SyncError, WalletError};
use crate::ledger::Ledger;
use crate::wallet::{Wallet, now};
use compare::Asked;
use gather::{Asker, Fault};
use known::Known;
pub(crate) use take_in::Findings;
pub use warning::SyncWarning;

/// What a synchronisation found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncReport {
    /// The best chain's height.
    pub tip: Height,
    /// How many transactions were not known before.
    pub new_transactions: usize,
    /// How many transactions got their first block.
    pub newly_confirmed: usize,
    /// How many waiting transactions vanished: replaced, or dropped by the network.
    pub vanished: usize,
    /// How many of the blocks that the wallet had noted are no longer part of the best chain.
    pub blocks_undone: u32,
    /// What a person should know about the proxies.
    pub warnings: Vec<SyncWarning>,
}

/// How far a synchronisation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncProgress {
    /// Block headers are checked.
    Headers {
        /// The last one that was.
        height: Height,
        /// The proxy's tip.
        target: Height,
    },
    /// Addresses are searched for.
    Addresses {
        /// How many were asked about.
        searched: u32,
    },
    /// Transactions are proven.
    Transactions {
        /// How many were.
        checked: usize,
    },
}

/// Is told as a synchronisation goes on.
pub type OnProgress<'a> = &'a (dyn Fn(SyncProgress) + Send + Sync);

/// How often to start again when the chain moves in mid-question.
const ATTEMPTS: usize = 3;

impl Wallet {
    /// Asks a proxy for everything that concerns this wallet, checks it, and writes what is new.
    ///
    /// # Errors
    ///
    /// [`SyncError`]; the wallet is unchanged then, so its balance is what it was.
    pub async fn sync(&mut self, proxy: &ProxyClient) -> Result<SyncReport, SyncError> {
        self.sync_with(std::slice::from_ref(proxy), &|_| {}).await
    }

    /// As [`Self::sync`], with several proxies: all are asked. What any of them proves counts; what waits counts when all
    /// that answer show it; one that is away, lags or lies is left out, and the report says so in words.
    ///
    /// # Errors
    ///
    /// [`SyncError`] when no proxy was of use; of the first then.
    pub async fn sync_with(
        &mut self,
        proxies: &[ProxyClient],
        progress: OnProgress<'_>,
    ) -> Result<SyncReport, SyncError> {
        let mut headers = self.take_headers()?;
        let outcome = self.sync_through(&mut headers, proxies, progress).await;
        self.headers = Some(headers);
        outcome
    }

    /// Forgets the block headers that were checked: for a coin that was started anew, whose new chain has less work than the
    /// old one had. The next synchronisation believes the chain that it is shown, and takes back what only the old one held.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`].
    pub fn forget_headers(&mut self) -> Result<(), WalletError> {
        let mut headers = self.take_headers()?;
        headers.forget();
        self.headers = Some(headers);
        Ok(())
    }

    /// The headers of this network, which all wallets of the folder share.
    fn take_headers(&mut self) -> Result<HeaderChain, WalletError> {
        match self.headers.take() {
            Some(headers) => Ok(headers),
            None => Ok(HeaderChain::open(self.file_path().parent().unwrap_or(Path::new(".")), self.network())?),
        }
    }

    async fn sync_through(
        &mut self,
        headers: &mut HeaderChain,
        proxies: &[ProxyClient],
        progress: OnProgress<'_>,
    ) -> Result<SyncReport, SyncError> {
        let (seconds, mut moved) = (now(), None);
        let clock = u32::try_from(seconds).unwrap_or(u32::MAX);
        for _ in 0..ATTEMPTS {
            let mut asked = Vec::new();
            for proxy in proxies {
                asked.push(Asked::new(proxy, follow(proxy, headers, clock, progress).await));
            }
            let undone = self.undone_blocks(headers, &asked).await?;
            moved = self.ask_all(headers, &mut asked, &undone, clock, progress).await;
            if moved.is_none() {
                let (findings, warnings) = self.conclude(headers, asked, undone)?;
                let report = self.take_in(findings, seconds)?;
                return Ok(SyncReport { warnings, ..report });
            }
        }
        Err(moved.unwrap_or(SyncError::ChainKeepsMoving))
    }

    /// Asks each proxy on the best chain about our scripts. An error when a chain moved meanwhile and all must be asked again.
    async fn ask_all(
        &self,
        headers: &mut HeaderChain,
        asked: &mut [Asked<'_>],
        undone: &[Height],
        now: u32,
        progress: OnProgress<'_>,
    ) -> Option<SyncError> {
        let mut known = Known::of(&self.ledger, &self.keyring, undone);
        let best = headers.tip();
        for one in asked.iter_mut() {
            let Ok(tip) = one.tip else { continue };
            if !headers.contains(&tip) {
                continue;
            }
            let asker = Asker {
                proxy: one.proxy,
                tip,
                headers,
                ledger: &self.ledger,
                keyring: &self.keyring,
                known: &known,
                now,
                progress,
            };
            match asker.ask().await {
                Ok(found) => {
                    one.check(self.refuse_lies(&found.records), found);
                    if let Some(found) = &one.found {
                        known.add_all(&found.records, &self.keyring);
                    }
                }
                Err(Fault::Sync(error)) => one.tip = Err(error),
                Err(Fault::Moved { what }) => {
                    let stands = one.proxy.tip().await.is_ok_and(|now| now == tip);
                    // Its chain did not move, so its answers contradict each other.
                    if !stands {
                        return Some(SyncError::ChainKeepsMoving);
                    }
                    one.tip = Err(SyncError::Contradiction { what });
                }
            }
        }
        (!headers.contains(&best)).then_some(SyncError::ChainKeepsMoving)
    }

    /// The blocks that we noted and that the best chain does not have: from our tip down to where both agree.
    async fn undone_blocks(&self, headers: &HeaderChain, asked: &[Asked<'_>]) -> Result<Vec<Height>, SyncError> {
        let (wallet, _) = self.ledger.tip();
        // Of a wallet whose headers are gone. A proxy that makes its index anew is not a chain that was reorganised.
        if headers.tip_height() < wallet {
            for one in asked.iter().filter(|one| one.tip.is_ok()) {
                if one.proxy.status().await?.readiness != Readiness::Ready {
                    return Err(SyncError::ProxyBehind { proxy: headers.tip_height(), wallet });
                }
            }
        }
        Ok(undone(&self.ledger, headers))
    }
}

fn undone(ledger: &Ledger, headers: &HeaderChain) -> Vec<Height> {
    let is_undone = |(height, hash): &(Height, _)| headers.hash_at(*height) != Some(*hash);
    ledger.blocks().take_while(is_undone).map(|(height, _)| height).collect()
}

/// Brings the headers to the proxy's chain; its tip then.
async fn follow(
    proxy: &ProxyClient,
    headers: &mut HeaderChain,
    now: u32,
    progress: OnProgress<'_>,
) -> Result<Tip, SyncError> {
    let tell = |at: mycoin_light::HeaderProgress| {
        progress(SyncProgress::Headers { height: at.height, target: at.target });
    };
    proxy.sync_headers(headers, now, &tell).await.map_err(|error| named(error, proxy))
}

/// What is wrong with a proxy's headers, by its name.
fn named(error: LightError, proxy: &ProxyClient) -> SyncError {
    let proxy = proxy.url().to_owned();
    match error {
        LightError::Proof(ProofError::LessWork) => SyncError::LessWork { proxy },
        LightError::Proof(source) => SyncError::BadHeaders { proxy, source },
        error => SyncError::Proxy(error),
    }
}
