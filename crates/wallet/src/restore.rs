//! Finding a wallet again: which kinds of address, accounts and passphrase of some recovery words were ever used.
//!
//! In:    recovery words, or other keys; a proxy.
//! Out:   where it tells of transactions, and what was looked at, so that nobody is left with a bare zero.
//! Never: a balance: what a proxy tells here is proven by the synchronisation that follows; a search without end.

use std::collections::BTreeMap;

use mycoin_light::{ProxyClient, SCRIPTS_AT_ONCE};
use mycoin_primitives::{Height, ScriptBuf};

use crate::error::{SyncError, WalletError};
use crate::keyring::{GAP_LIMIT, Keychain, Keyring, Origin};
use crate::keys::{ScriptKind, WalletKeys};
use crate::keys_error::KeysError;
use crate::ledger::Change;
use crate::passphrase::Passphrase;
use crate::wallet::Wallet;
use crate::words::RecoveryWords;

/// How many accounts in a row may stay unused before the search ends. BIP44 asks for one; people leave some out.
const ACCOUNTS_AHEAD: u32 = 5;
/// No account above this is looked at.
const MOST_ACCOUNTS: u32 = 100;
/// How many unused addresses in a row are looked at when the usual number finds nothing.
const WIDE_GAP: u32 = 200;
/// The accounts that are looked at so widely.
const WIDE_ACCOUNTS: u32 = 2;
/// No chain of addresses is followed further on a proxy's word alone.
const FARTHEST: u32 = 2_000;

const ALL_KINDS: [ScriptKind; 4] = [ScriptKind::Taproot, ScriptKind::Segwit, ScriptKind::Nested, ScriptKind::Legacy];

/// Is told how many addresses were looked at so far.
pub type OnLooked<'a> = &'a (dyn Fn(u32) + Send + Sync);

/// Asks a proxy what was ever used.
pub struct Doctor<'a> {
    proxy: &'a ProxyClient,
    progress: OnLooked<'a>,
    looked: std::sync::atomic::AtomicU32,
}

/// What a proxy tells of one account. Nothing of it is proven.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountUse {
    /// How many of its addresses were used, change included.
    pub addresses: u32,
    /// How many transactions they have, each counted once an address.
    pub transactions: u64,
    highest: BTreeMap<Keychain, u32>,
}

/// An account that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundAccount {
    /// Its kind of address.
    pub scripts: ScriptKind,
    /// Its number.
    pub account: u32,
    /// What the proxy tells of it.
    pub used: AccountUse,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The kinds of address: those that the coin has.
    pub scripts: Vec<ScriptKind>,
    /// How many accounts of each, from the first on.
    pub accounts: u32,
    /// How many unused addresses in a row.
    pub gap: u32,
    /// How many addresses in all.
    pub addresses: u32,
    /// Whether the words were taken with a passphrase.
    pub with_passphrase: bool,
    /// The block up to which the proxy looked.
    pub height: Height,
    /// The accounts that were used, those with the most transactions first.
    pub found: Vec<FoundAccount>,
}

impl<'a> Doctor<'a> {
    /// A doctor who asks that proxy.
    pub fn new(proxy: &'a ProxyClient, progress: OnLooked<'a>) -> Self {
        Self { proxy, progress, looked: 0.into() }
    }

    /// Looks for every account of these words that was ever used; when the usual search finds none, for addresses further
    /// on. `only`: one kind of address.
    ///
    /// # Errors
    ///
    /// [`SyncError`] when the proxy cannot be asked.
    pub async fn examine(
        &self,
        words: &RecoveryWords,
        passphrase: &Passphrase,
        only: Option<ScriptKind>,
    ) -> Result<Examined, SyncError> {
        let mut usual = self.look_at(words, passphrase, only, 1 + ACCOUNTS_AHEAD, GAP_LIMIT).await?;
        while let Some(last) = usual.found.iter().map(|found| found.account).max() {
            let wanted = last.saturating_add(1 + ACCOUNTS_AHEAD).min(MOST_ACCOUNTS);
            if wanted <= usual.accounts {
                break;
            }
            usual = self.look_at(words, passphrase, only, wanted, GAP_LIMIT).await?;
        }
        if !usual.found.is_empty() {
            return Ok(usual);
        }
        let wide = self.look_at(words, passphrase, only, WIDE_ACCOUNTS, WIDE_GAP).await?;
        Ok(if wide.found.is_empty() { Examined { gap: WIDE_GAP, addresses: wide.addresses, ..usual } } else { wide })
    }

    async fn look_at(
        &self,
        words: &RecoveryWords,
        passphrase: &Passphrase,
        only: Option<ScriptKind>,
        accounts: u32,
        gap: u32,
    ) -> Result<Examined, SyncError> {
        let (mut places, mut keyrings, mut scripts) = (Vec::new(), Vec::new(), Vec::new());
        for kind in ALL_KINDS.into_iter().filter(|kind| only.is_none_or(|only| only == *kind)) {
            for account in 0..accounts {
                match WalletKeys::from_words(words, passphrase, kind, account, self.proxy.network()) {
                    Ok(keys) => {
                        places.push((kind, account));
                        keyrings.push(keys.keyring()?);
                    }
                    Err(WalletError::Keys(KeysError::NoAddress)) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            scripts.extend(places.last().filter(|(found, _)| *found == kind).map(|(kind, _)| *kind));
        }
        let (uses, height) = self.count(&keyrings, gap).await?;
        let found = places.into_iter().zip(uses).filter(|(_, used)| used.transactions > 0);
        let mut found: Vec<FoundAccount> =
            found.map(|((scripts, account), used)| FoundAccount { scripts, account, used }).collect();
        found.sort_by_key(|found| std::cmp::Reverse(found.used.transactions));
        let addresses = self.looked.load(std::sync::atomic::Ordering::Relaxed);
        let with_passphrase = !passphrase.is_none();
        Ok(Examined { scripts, accounts, gap, addresses, with_passphrase, height, found })
    }

    /// Looks how far other keys were used: a descriptor's, a cosigner's.
    ///
    /// # Errors
    ///
    /// [`SyncError`] when the proxy cannot be asked.
    pub async fn look_for(&self, keys: &WalletKeys) -> Result<AccountUse, SyncError> {
        let keyring = [keys.keyring()?];
        let (uses, _) = self.count(&keyring, GAP_LIMIT).await?;
        match uses.into_iter().next() {
            Some(used) if used.transactions > 0 => Ok(used),
            _ => Ok(self.count(&keyring, WIDE_GAP).await?.0.pop().unwrap_or_default()),
        }
    }

    /// Counts what each keyring's addresses have, up to `gap` unused ones in a row.
    async fn count(&self, keyrings: &[Keyring], gap: u32) -> Result<(Vec<AccountUse>, Height), SyncError> {
        let mut uses = vec![AccountUse::default(); keyrings.len()];
        let mut chains: Vec<Chain> = Vec::new();
        for (place, keyring) in keyrings.iter().enumerate() {
            chains.extend(keyring.keychains().iter().map(|keychain| Chain {
                place,
                keychain: *keychain,
                next: 0,
                end: gap,
            }));
        }
        let mut height = Height::new(0);
        loop {
            let mut asked: Vec<(usize, u32, ScriptBuf)> = Vec::new();
            for (at, chain) in chains.iter_mut().enumerate() {
                let Some(keyring) = keyrings.get(chain.place) else { continue };
                while chain.next < chain.end && asked.len() < SCRIPTS_AT_ONCE {
                    let Some(script) = keyring.script_at(Origin { keychain: chain.keychain, index: chain.next }) else {
                        chain.end = chain.next; // One address, and no second one.
                        break;
                    };
                    asked.push((at, chain.next, script));
                    chain.next += 1;
                }
            }
            if asked.is_empty() {
                return Ok((uses, height));
            }
            let scripts: Vec<ScriptBuf> = asked.iter().map(|(.., script)| script.clone()).collect();
            let counts = self.proxy.count_scripts(&scripts).await?;
            height = counts.tip.height;
            for ((at, index, _), (confirmed, waiting)) in asked.into_iter().zip(counts.scripts) {
                let transactions = confirmed.saturating_add(waiting.len() as u64);
                let Some(chain) = chains.get_mut(at).filter(|_| transactions > 0) else { continue };
                chain.end = chain.end.max(index.saturating_add(1 + gap)).min(FARTHEST);
                if let Some(used) = uses.get_mut(chain.place) {
                    used.addresses += 1;
                    used.transactions = used.transactions.saturating_add(transactions);
                    used.highest.insert(chain.keychain, index);
                }
            }
            let news = u32::try_from(scripts.len()).unwrap_or(u32::MAX);
            let before = self.looked.fetch_add(news, std::sync::atomic::Ordering::Relaxed);
            (self.progress)(before.saturating_add(news));
        }
    }
}

/// How far one chain of addresses was looked at.
struct Chain {
    /// Whose it is.
    place: usize,
    keychain: Keychain,
    next: u32,
    end: u32,
}

impl Wallet {
    /// Lets the next synchronisation look as far as the doctor found addresses in use, where it would not by itself. Returns
    /// whether that is further.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`] when it could not be noted in the file.
    pub fn reach(&mut self, used: &AccountUse) -> Result<bool, WalletError> {
        let known = self.keyring.revealed();
        let is_further = |(keychain, index): &(&Keychain, &u32)| {
            let end = known.get(*keychain).map_or(0, |last| last.saturating_add(1));
            **index >= end.saturating_add(GAP_LIMIT)
        };
        let further = used.highest.iter().filter(is_further).map(|(keychain, index)| (*keychain, *index));
        let revealed: BTreeMap<Keychain, u32> = further.collect();
        if revealed.is_empty() || !self.keyring.grows() {
            return Ok(false);
        }
        self.commit(Change { revealed, ..Change::default() })?;
        Ok(true)
    }
}
