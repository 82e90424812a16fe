//! An open wallet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use mycoin_files::FolderLock;
use mycoin_light::HeaderChain;
use mycoin_primitives::{FeeRate, Height, Network, Transaction, Txid, address_of};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::WalletError;
use crate::file::{Records, WalletFile};
use crate::folder::view_key;
use crate::history::{self, HistoryEntry};
use crate::keyring::{Keyring, PublicKeys};
use crate::keys::KeyKind;
use crate::ledger::{self, Balance, Change, Ledger, OwnCoin};
use crate::name::WalletName;
use crate::notes::Notes;
use crate::password::Password;
use crate::token::{Pin, TokenError, TokenPlace, TokenSession};
use crate::vault::KdfParams;

/// An open wallet: it can show everything; to sign it asks for the password each time.
///
/// While it is open no other program can open it. Every change is on disk when the call that made it returns.
pub struct Wallet {
    name: WalletName,
    network: Network,
    public_keys: PublicKeys,
    file: WalletFile,
    pub(crate) keyring: Keyring,
    pub(crate) ledger: Ledger,
    pub(crate) notes: Notes,
    /// What the proxy said of fees at the last synchronisation; not kept in the file, because it ages fast.
    pub(crate) fee_estimates: BTreeMap<u16, FeeRate>,
    /// The lowest rate that the proxy's mempool took when it was last asked.
    pub(crate) mempool_minimum: Option<FeeRate>,
    /// The chain of headers, from the first synchronisation on.
    pub(crate) headers: Option<HeaderChain>,
    /// `None` for a backup that is looked at in memory and never written.
    _lock: Option<FolderLock>,
}

/// What stands in the file's records.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Keys(PublicKeys),
    Change(Change),
}

/// An address to receive coins at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveAddress {
    /// The address.
    pub address: String,
    /// Its place in the keychain; always 0 in an RSA wallet.
    pub index: u32,
}

/// One of the wallet's receiving addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAddress {
    /// The address.
    pub address: String,
    /// Its place in the keychain.
    pub index: u32,
    /// Whether coins ever came to it.
    pub used: bool,
}

/// With more records than this the file is rewritten with a few that say the same.
const COMPACT_ABOVE: u64 = 64;

fn encode(record: &Record) -> Result<Zeroizing<Vec<u8>>, WalletError> {
    serde_json::to_vec(record).map(Zeroizing::new).map_err(|_| WalletError::Crypto { what: "writing a record" })
}

/// The records of a wallet that knows nothing but its keys.
pub(crate) fn first_records(public: &PublicKeys) -> Result<Records, WalletError> {
    Ok(vec![encode(&Record::Keys(public.clone()))?])
}

impl Wallet {
    /// Puts an unlocked file's records together.
    pub(crate) fn load(
        name: WalletName,
        network: Network,
        file: WalletFile,
        records: &Records,
        lock: Option<FolderLock>,
    ) -> Result<Self, WalletError> {
        let damaged = |what| WalletError::Damaged { path: file.path().to_owned(), what };
        let mut decoded =
            records.iter().map(|record| serde_json::from_slice(record).map_err(|_| damaged("a record makes no sense")));
        let Some(Record::Keys(public_keys)) = decoded.next().transpose()? else {
            return Err(damaged("its keys are missing"));
        };
        let keyring =
            Keyring::open(&public_keys, file.header().kind()).ok_or_else(|| damaged("its keys make no sense"))?;
        let ledger = Ledger::new(network.genesis.hash);
        let changes = decoded.collect::<Result<Vec<_>, _>>()?;
        let fee_estimates = BTreeMap::new();
        let mut wallet = Self {
            name,
            network,
            public_keys,
            file,
            keyring,
            ledger,
            notes: Notes::default(),
            fee_estimates,
            mempool_minimum: None,
            headers: None,
            _lock: lock,
        };
        for record in changes {
            let applied = match record {
                Record::Change(change) => wallet.apply(&change),
                Record::Keys(_) => false,
            };
            if !applied {
                return Err(WalletError::Damaged {
                    path: wallet.file.path().to_owned(),
                    what: "a record does not fit the others",
                });
            }
        }
        Ok(wallet)
    }

    /// Records that say all that the wallet knows.
    pub(crate) fn snapshot(&self) -> Result<Records, WalletError> {
        let change =
            Change { revealed: self.keyring.revealed(), notes: self.notes.snapshot(), ..self.ledger.snapshot() };
        Ok(vec![encode(&Record::Keys(self.public_keys.clone()))?, encode(&Record::Change(change))?])
    }

    fn apply(&mut self, change: &Change) -> bool {
        self.keyring.reveal(&change.revealed);
        self.notes.apply(&change.notes);
        for tx in &change.graph.txs {
            self.keyring.note(tx);
        }
        self.ledger.apply(change)
    }

    /// Writes a change, then lets it count.
    pub(crate) fn commit(&mut self, change: Change) -> Result<(), WalletError> {
        if change.is_empty() {
            return Ok(());
        }
        let record = Record::Change(change);
        self.file.append(&encode(&record)?)?;
        if let Record::Change(change) = record {
            self.apply(&change);
        }
        if self.file.record_count() > COMPACT_ABOVE {
            // Tidying only: should it fail, the log stands as it is, and the next change tries again.
            let _ = self.snapshot().and_then(|records| self.file.compact(&records));
        }
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &WalletName {
        &self.name
    }

    /// Its file.
    pub(crate) fn file(&self) -> &WalletFile {
        &self.file
    }

    /// What its file says of its keys.
    pub(crate) fn public_keys(&self) -> &PublicKeys {
        &self.public_keys
    }

    /// Where it is kept.
    pub(crate) fn file_path(&self) -> &Path {
        self.file.path()
    }

    /// What its keys are.
    pub fn kind(&self) -> KeyKind {
        self.file.header().kind()
    }

    /// Whether the file holds a key that signs, at least one of those that are needed.
    pub fn can_sign(&self) -> bool {
        self.public_keys.signs(self.kind())
    }

    /// The coin that it holds.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The height up to which the wallet knows the chain; 0 before the first synchronisation.
    pub fn tip(&self) -> Height {
        self.ledger.tip().0
    }

    /// The first address that never received a coin and that no request asks for. It stays the same until it does. An RSA
    /// wallet has one address.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`] when a new address could not be noted in the file.
    pub fn next_address(&mut self) -> Result<ReceiveAddress, WalletError> {
        let failed = WalletError::Crypto { what: "deriving an address" };
        let Some((origin, script)) = self.next_free() else { return Err(failed) };
        self.reveal(origin)?;
        let address = address_of(&script, &self.network).ok_or(failed)?;
        Ok(ReceiveAddress { address, index: origin.index })
    }

    /// Notes in the file that an address was handed out, where that is news.
    pub(crate) fn reveal(&mut self, origin: crate::keyring::Origin) -> Result<(), WalletError> {
        let is_news = self.keyring.revealed().get(&origin.keychain).is_none_or(|last| *last < origin.index);
        if !self.keyring.grows() || !is_news {
            return Ok(());
        }
        self.commit(Change { revealed: BTreeMap::from([(origin.keychain, origin.index)]), ..Change::default() })
    }

    /// Every receiving address that was handed out, oldest first.
    pub fn addresses(&self) -> Vec<OwnAddress> {
        let scripts = self.keyring.handed_out().into_iter();
        scripts
            .filter_map(|(index, script, used)| {
                Some(OwnAddress { address: address_of(&script, &self.network)?, index, used })
            })
            .collect()
    }

    pub(crate) fn coins(&self) -> Vec<OwnCoin> {
        self.coins_without(&BTreeSet::new())
    }

    /// The coins that there would be without these transactions and those that spend from them.
    pub(crate) fn coins_without(&self, gone: &BTreeSet<Txid>) -> Vec<OwnCoin> {
        self.ledger.coins(&self.keyring, self.network.maturity, gone)
    }

    /// What the wallet holds.
    pub fn balance(&self) -> Balance {
        ledger::balance(&self.coins())
    }

    /// What happened, newest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        history::history(&self.ledger, &self.keyring, &self.network)
    }

    /// Whether the password is right.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`].
    pub fn check_password(&self, password: &Password) -> Result<(), WalletError> {
        self.file.check_password(password)
    }

    /// The signing secret; never that of a wallet that only watches or has its key on a token.
    pub(crate) fn secret(&self, password: &Password) -> Result<Zeroizing<Vec<u8>>, WalletError> {
        match self.public_keys {
            PublicKeys::Token { .. } => Err(TokenError::OnToken.into()),
            _ if self.can_sign() => self.file.secret(password),
            _ => Err(WalletError::WatchOnly),
        }
    }

    /// Where the key is, in a wallet whose key is on a token.
    pub fn token(&self) -> Option<&TokenPlace> {
        match &self.public_keys {
            PublicKeys::Token { place, .. } => Some(place),
            PublicKeys::Words { .. }
            | PublicKeys::Rsa { .. }
            | PublicKeys::Descriptors { .. }
            | PublicKeys::Script { .. } => None,
        }
    }

    /// Unlocks the token that holds the wallet's key, to sign with it.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; [`TokenError::NotOnToken`] in a wallet of another kind.
    pub fn unlock_token(&self, pin: &Pin) -> Result<TokenSession, TokenError> {
        match &self.public_keys {
            PublicKeys::Token { spki, place } => TokenSession::reopen(place, spki, pin),
            PublicKeys::Words { .. }
            | PublicKeys::Rsa { .. }
            | PublicKeys::Descriptors { .. }
            | PublicKeys::Script { .. } => Err(TokenError::NotOnToken),
        }
    }

    /// Protects the file by a new password. The old file is replaced at once or not at all.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`] for the old one.
    pub fn change_password(&mut self, old: &Password, new: &Password) -> Result<(), WalletError> {
        self.change_password_at_cost(old, new, KdfParams::STANDARD)
    }

    pub(crate) fn change_password_at_cost(
        &mut self,
        old: &Password,
        new: &Password,
        cost: KdfParams,
    ) -> Result<(), WalletError> {
        let records = self.snapshot()?;
        let changed = self.file.change_password(old, new, cost, &records);
        // Also where only the folder could not be written: the file may be the new one.
        view_key::renew(&self.file);
        changed
    }

    /// Notes a transaction that was just sent, so that it shows at once and its coins are not spent again.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`] when it could not be written; the transaction is sent all the same.
    pub fn note_sent(&mut self, tx: &Transaction) -> Result<(), WalletError> {
        self.note_sent_at(tx, now())
    }

    pub(crate) fn note_sent_at(&mut self, tx: &Transaction, now: u64) -> Result<(), WalletError> {
        if tx.is_coinbase() {
            return Ok(());
        }
        self.commit(self.sent(tx, now))
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
