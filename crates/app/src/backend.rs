//! The window's other half: the wallet and the proxy, on threads of their own.
//!
//! In:    [`Command`]s, in the order in which they were given.
//! Out:   [`News`] for the window, as plain values; what the proxy does comes by itself (see [`crate::follow`]).
//! Never: widgets. The window never waits for anything in here.
//!
//! This and `follow` are the only modules that know the wallet's and the proxy's interfaces.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use mycoin_light::{LightError, MiningInfo, ProxyClient};
use mycoin_primitives::{FeeRate, Height, Network, Txid};
use mycoin_wallet::{
    Balance, Draft, HistoryEntry, KeyKind, Password, PaymentError, PaymentRequest, ReceiveAddress, RecoveryWords,
    Review, SyncError, Unlock, Wallet, WalletError, WalletFolder, WalletName, WalletSummary,
};
use tokio::sync::{Mutex, Notify, mpsc as channel};

use crate::error::AppError;
use crate::follow::{self, Connection};
use crate::present::sentence;

/// What the window asks for.
pub(crate) enum Command {
    /// Which wallets are there?
    List,
    /// Make a wallet and open it.
    Create { name: WalletName, keys: NewKeys, password: Password },
    /// Open a wallet: by its viewing key, or by the password where one is given.
    Open { name: WalletName, password: Option<Password> },
    /// Ask the faucet to pay the open wallet.
    Faucet,
    /// Choose coins and fee for a payment, for review.
    Prepare(PaymentRequest),
    /// Sign what was prepared last, and send it.
    Send { password: Password },
}

/// The keys of a new wallet.
pub(crate) enum NewKeys {
    /// From words that were shown and asked back.
    Words(RecoveryWords),
    /// A new RSA key of that many bits.
    Rsa { bits: u32 },
}

/// What the window hears.
pub(crate) enum News {
    /// The wallets in the folder.
    Wallets(Vec<WalletSummary>),
    /// A wallet is open from now on.
    Opened { name: WalletName, kind: KeyKind },
    /// A wallet was not made.
    CreateFailed(String),
    /// There is no viewing key, so the password is needed.
    PasswordNeeded { name: WalletName },
    /// A wallet was not opened.
    OpenFailed(String),
    /// What the open wallet holds.
    Account(Box<Account>),
    /// How things stand with the proxy.
    Connection(Connection),
    /// What the miner does.
    Mining(MiningInfo),
    /// A block was found.
    Block { height: Height },
    /// What confirming within so many blocks costs.
    Fees(BTreeMap<u16, FeeRate>),
    /// A payment to review.
    Prepared(Box<Review>),
    /// A payment that cannot be made.
    PrepareFailed(String),
    /// The network has it.
    Sent { txid: Txid },
    /// The password was wrong; nothing was signed.
    PasswordWrong,
    /// It was not sent.
    SendFailed(String),
    /// The faucet paid, in a block of that height.
    FaucetPaid { height: Height },
    /// The faucet did not pay.
    FaucetFailed(String),
}

/// What the open wallet holds and where it can receive.
pub(crate) struct Account {
    pub(crate) balance: Balance,
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) address: ReceiveAddress,
}

/// Carries news to the window's thread and rings its bell.
#[derive(Clone)]
pub(crate) struct Sender {
    news: mpsc::Sender<News>,
    bell: Arc<dyn Fn() + Send + Sync>,
}

impl Sender {
    pub(crate) fn send(&self, news: News) {
        // Nobody listens any more when the window has closed: then nobody needs the news.
        if self.news.send(news).is_ok() {
            (self.bell)();
        }
    }
}

/// What the worker's tasks share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) proxy: ProxyClient,
    pub(crate) wallet: Arc<Mutex<Option<Wallet>>>,
    pub(crate) news: Sender,
    /// Rung when there is a reason to look at the proxy at once.
    pub(crate) look: Arc<Notify>,
}

/// The handle that the window holds. Dropping it ends the worker.
pub(crate) struct Backend {
    commands: channel::UnboundedSender<Command>,
}

impl Backend {
    /// Starts the worker. `bell` is called from its threads after each piece of news.
    pub(crate) fn start(
        network: Network,
        wallets_dir: PathBuf,
        proxy_url: &str,
        bell: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Self, mpsc::Receiver<News>), AppError> {
        let proxy = ProxyClient::new(proxy_url, &network)?;
        let (news_sender, news) = mpsc::channel();
        let (commands, inbox) = channel::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("mycoin-app-worker")
            .enable_all()
            .build()
            .map_err(AppError::Worker)?;
        let shared = Shared {
            proxy,
            wallet: Arc::default(),
            news: Sender { news: news_sender, bell: Arc::new(bell) },
            look: Arc::default(),
        };
        let worker = Worker { folder: WalletFolder::at(wallets_dir, network), shared, draft: None };
        std::thread::Builder::new()
            .name("mycoin-app".to_owned())
            .spawn(move || {
                runtime.block_on(worker.run(inbox));
                // A signature or a key in the making may go on for a moment; the program need not wait for it.
                runtime.shutdown_background();
            })
            .map_err(AppError::Worker)?;
        Ok((Self { commands }, news))
    }

    /// Gives a command; the answer comes as news.
    pub(crate) fn send(&self, command: Command) {
        // The worker lives as long as this handle, so this fails only while the program is ending.
        let _ = self.commands.send(command);
    }
}

struct Worker {
    folder: WalletFolder,
    shared: Shared,
    draft: Option<Draft>,
}

impl Worker {
    async fn run(mut self, mut inbox: channel::UnboundedReceiver<Command>) {
        let following = tokio::spawn(follow::follow(self.shared.clone()));
        while let Some(command) = inbox.recv().await {
            match command {
                Command::List => self.list().await,
                Command::Create { name, keys, password } => self.create(name, keys, password).await,
                Command::Open { name, password } => self.open(name, password).await,
                Command::Faucet => drop(tokio::spawn(ask_faucet(self.shared.clone()))),
                Command::Prepare(request) => self.prepare(request).await,
                Command::Send { password } => self.pay(password).await,
            }
        }
        following.abort();
        // Closes the wallet, so that another program can open it at once.
        self.shared.wallet.lock().await.take();
    }

    async fn list(&self) {
        let folder = self.folder.clone();
        match blocking(move || folder.list()).await {
            Ok(wallets) => self.shared.news.send(News::Wallets(wallets)),
            Err(error) => self.shared.news.send(News::OpenFailed(sentence(&error))),
        }
    }

    async fn create(&mut self, name: WalletName, keys: NewKeys, password: Password) {
        let folder = self.folder.clone();
        let made = blocking(move || match keys {
            NewKeys::Words(words) => folder.create_from_words(&name, &words, &password),
            NewKeys::Rsa { bits } => {
                folder.create(&name, KeyKind::Rsa { bits }, &password).map(|created| created.wallet)
            }
        });
        match made.await {
            Ok(wallet) => {
                self.take(wallet).await;
                self.list().await;
            }
            Err(error) => self.shared.news.send(News::CreateFailed(sentence(&error))),
        }
    }

    async fn open(&mut self, name: WalletName, password: Option<Password>) {
        // A wallet that is open already, here, cannot be opened a second time: it is shown again.
        let already = self.shared.wallet.lock().await.as_ref().is_some_and(|wallet| *wallet.name() == name);
        if already {
            if let Some(wallet) = self.shared.wallet.lock().await.as_mut() {
                announce(&self.shared.news, wallet);
            }
            return;
        }
        let folder = self.folder.clone();
        let wanted = name.clone();
        let opened = blocking(move || match &password {
            Some(password) => folder.open(&name, Unlock::Password(password)),
            None => folder.open(&name, Unlock::ViewKey),
        });
        match opened.await {
            Ok(wallet) => self.take(wallet).await,
            Err(WalletError::Locked { .. }) => self.shared.news.send(News::PasswordNeeded { name: wanted }),
            Err(error) => self.shared.news.send(News::OpenFailed(sentence(&error))),
        }
    }

    /// Makes `wallet` the open one; the one before is closed.
    async fn take(&mut self, mut wallet: Wallet) {
        self.draft = None;
        announce(&self.shared.news, &mut wallet);
        *self.shared.wallet.lock().await = Some(wallet);
        self.shared.look.notify_one();
    }

    async fn prepare(&mut self, request: PaymentRequest) {
        self.draft = None;
        let news = &self.shared.news;
        let wallet = self.shared.wallet.clone().lock_owned().await;
        let prepared = blocking(move || wallet.as_ref().map(|wallet| wallet.prepare(&request))).await;
        match prepared {
            Some(Ok(draft)) => {
                news.send(News::Prepared(Box::new(draft.review().clone())));
                self.draft = Some(draft);
            }
            Some(Err(error)) => news.send(News::PrepareFailed(sentence(&error))),
            None => news.send(News::PrepareFailed("No wallet is open.".to_owned())),
        }
    }

    async fn pay(&mut self, password: Password) {
        let news = self.shared.news.clone();
        let Some(draft) = self.draft.clone() else {
            return news.send(News::SendFailed("There is no payment to send. Prepare it again.".to_owned()));
        };
        let mut wallet = self.shared.wallet.clone().lock_owned().await;
        let signed = blocking(move || wallet.as_mut().map(|wallet| wallet.sign(&draft, &password))).await;
        let transaction = match signed {
            Some(Ok(transaction)) => transaction,
            Some(Err(PaymentError::Wallet(WalletError::WrongPassword))) => return news.send(News::PasswordWrong),
            Some(Err(error)) => return news.send(News::SendFailed(sentence(&error))),
            None => return news.send(News::SendFailed("No wallet is open.".to_owned())),
        };
        // The wallet is free while the network is asked, so that everything else can go on.
        match self.shared.proxy.broadcast(&transaction).await {
            Ok(txid) => {
                self.draft = None;
                if let Some(wallet) = self.shared.wallet.lock().await.as_mut() {
                    if let Err(error) = wallet.note_sent(&transaction) {
                        tracing::warn!(%error, "the sent payment could not be noted; the next look at the proxy finds it");
                    }
                    announce_account(&news, wallet);
                }
                news.send(News::Sent { txid });
                self.shared.look.notify_one();
            }
            Err(error) => news.send(News::SendFailed(sentence(&error))),
        }
    }
}

async fn ask_faucet(shared: Shared) {
    let address = match shared.wallet.lock().await.as_mut().map(Wallet::next_address) {
        Some(Ok(receive)) => receive.address,
        Some(Err(error)) => return shared.news.send(News::FaucetFailed(sentence(&error))),
        None => return shared.news.send(News::FaucetFailed("No wallet is open.".to_owned())),
    };
    match shared.proxy.faucet(&address).await {
        Ok(gift) => {
            shared.news.send(News::FaucetPaid { height: gift.height });
            shared.look.notify_one();
        }
        Err(error) => shared.news.send(News::FaucetFailed(sentence(&error))),
    }
}

/// Tells the window which wallet is open and what it holds.
fn announce(news: &Sender, wallet: &mut Wallet) {
    // Read first: it may write to the disk, and no screen should stand without its address meanwhile.
    let account = account(wallet);
    news.send(News::Opened { name: wallet.name().clone(), kind: wallet.kind() });
    news.send(account);
}

/// Tells the window what the wallet holds.
pub(crate) fn announce_account(news: &Sender, wallet: &mut Wallet) {
    news.send(account(wallet));
}

fn account(wallet: &mut Wallet) -> News {
    match wallet.next_address() {
        Ok(address) => {
            News::Account(Box::new(Account { balance: wallet.balance(), history: wallet.history(), address }))
        }
        Err(error) => News::OpenFailed(sentence(&error)),
    }
}

/// Brings the open wallet up to date, if one is open.
pub(crate) async fn synchronise(shared: &Shared) -> Result<(), SyncFault> {
    let mut guard = shared.wallet.lock().await;
    let Some(wallet) = guard.as_mut() else { return Ok(()) };
    match wallet.sync(&shared.proxy).await {
        Ok(report) => {
            tracing::debug!(?report, "the wallet is up to date");
            announce_account(&shared.news, wallet);
            Ok(())
        }
        Err(SyncError::Proxy(error)) => Err(SyncFault::Proxy(error)),
        // Both end by themselves; the next news tries again.
        Err(SyncError::ChainKeepsMoving | SyncError::ProxyBehind { .. }) => Ok(()),
        Err(error) => Err(SyncFault::Distrust(sentence(&error))),
    }
}

/// Why the wallet is not up to date.
pub(crate) enum SyncFault {
    /// The proxy did not answer as it should.
    Proxy(LightError),
    /// What it answered was not believed, or could not be kept.
    Distrust(String),
}

/// Runs what takes long or touches the disk on a thread where it holds nobody up.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The work panicked: that is a fault of the program, and it must show as one.
        Err(fault) => std::panic::resume_unwind(fault.into_panic()),
    }
}
