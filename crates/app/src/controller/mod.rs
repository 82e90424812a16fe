//! What the window does when something is clicked, and what it shows when news arrive. Everything here runs on the window's thread and returns at once.
//!
//! In:    the screens' callbacks, [`News`].
//! Out:   [`Command`]s, and the values that the screens show.
//! Never: waiting, files, keys. Decisions about coins are the wallet's.
//!
//! Start at [`Controller::connect`].

mod create;
mod send;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::mpsc;

use chrono::Local;
use mycoin_light::{MinerState, MiningInfo};
use mycoin_primitives::{Amount, FeeRate, Network};
use mycoin_wallet::{KeyKind, Password, WalletName, WalletSummary};
use slint::{ComponentHandle, ModelRc, SharedString, VecModel, Weak};

use crate::backend::{Account, Backend, Command, News};
use crate::follow::Connection;
use crate::{present, qr, ui};

/// How many transactions the overview shows.
const RECENT: usize = 5;

pub(crate) struct Controller {
    window: Weak<ui::MainWindow>,
    network: Network,
    backend: Backend,
    news: mpsc::Receiver<News>,
    state: RefCell<State>,
}

/// What the controller must remember between two clicks.
#[derive(Default)]
struct State {
    wallets: Vec<WalletSummary>,
    creation: create::Creation,
    kind: Option<KeyKind>,
    spendable: Amount,
    /// What confirming within so many blocks costs.
    fees: BTreeMap<u16, FeeRate>,
    /// The payment that is reviewed, for the words after it was sent.
    recipient: String,
    amount: Amount,
    address: String,
}

fn model<T: Clone + 'static>(items: impl IntoIterator<Item = T>) -> ModelRc<T> {
    ModelRc::new(VecModel::from_iter(items))
}

impl Controller {
    /// Connects the window's callbacks and asks for the first news.
    pub(crate) fn connect(
        window: &ui::MainWindow,
        network: Network,
        backend: Backend,
        news: mpsc::Receiver<News>,
        open_wallet: Option<&str>,
    ) -> Rc<Self> {
        let this = Rc::new(Self { window: window.as_weak(), network, backend, news, state: RefCell::default() });
        this.introduce(window);
        this.connect_shell(window);
        create::connect(&this, window);
        send::connect(&this, window);
        this.backend.send(Command::List);
        if let Some(name) = open_wallet.and_then(|name| WalletName::parse(name).ok()) {
            this.open(window, name, None);
        }
        this
    }

    /// Shows what never changes.
    fn introduce(&self, window: &ui::MainWindow) {
        let shell = window.global::<ui::Shell>();
        shell.set_coin(self.network.coin.as_str().into());
        shell.set_ticker(self.network.ticker.as_str().into());
        shell.set_network(self.network.name.as_str().into());
        shell.set_version(env!("CARGO_PKG_VERSION").into());
        window.global::<ui::Create>().set_rsa_offered(self.network.rsa);
        window.global::<ui::Miner>().set_faucet(self.network.faucet);
        let account = window.global::<ui::Account>();
        account.set_immature_why(present::immature_why(&self.network).into());
        self.show_connection(window, &Connection::Connecting);
    }

    fn connect_shell(self: &Rc<Self>, window: &ui::MainWindow) {
        let shell = window.global::<ui::Shell>();
        shell.on_news(self.callback(Self::take_news));
        shell.on_new_wallet(self.callback(create::start));
        shell.on_open_wallet(self.callback(|this, window| {
            this.backend.send(Command::List);
            window.global::<ui::Open>().set_error(SharedString::default());
            window.global::<ui::Shell>().set_screen(ui::Screen::Open);
        }));
        shell.on_new_transaction(self.callback(send::start));
        shell.on_view_transactions(
            self.callback(|_, window| window.global::<ui::Shell>().set_screen(ui::Screen::Transactions)),
        );
        // Hiding the last window ends the event loop. A failure to hide cannot be shown to anybody.
        shell.on_exit(self.callback(|_, window| drop(window.hide())));

        let open = window.global::<ui::Open>();
        let this = Rc::clone(self);
        open.on_open(move |name| {
            if let (Some(window), Ok(name)) = (this.window.upgrade(), WalletName::parse(&name)) {
                this.open(&window, name, None);
            }
        });
        let this = Rc::clone(self);
        open.on_unlock(move |password| {
            let Some(window) = this.window.upgrade() else { return };
            let name = WalletName::parse(&window.global::<ui::Open>().get_asking_for());
            if let (Ok(name), Ok(password)) = (name, Password::new(password)) {
                this.open(&window, name, Some(password));
            }
        });
        open.on_cancel_unlock(self.callback(|_, window| {
            let open = window.global::<ui::Open>();
            open.set_asking_for(SharedString::default());
            open.set_error(SharedString::default());
            open.set_busy(false);
        }));
        window.global::<ui::Miner>().on_ask_faucet(self.callback(|this, window| {
            window.global::<ui::Miner>().set_faucet_busy(true);
            this.backend.send(Command::Faucet);
        }));
    }

    /// A callback without arguments that knows the controller and the window.
    fn callback(self: &Rc<Self>, act: impl Fn(&Self, &ui::MainWindow) + 'static) -> impl Fn() + 'static {
        let this = Rc::clone(self);
        move || {
            if let Some(window) = this.window.upgrade() {
                act(&this, &window);
            }
        }
    }

    fn open(&self, window: &ui::MainWindow, name: WalletName, password: Option<Password>) {
        let open = window.global::<ui::Open>();
        open.set_busy(true);
        open.set_error(SharedString::default());
        self.backend.send(Command::Open { name, password });
    }

    /// Shows all news that wait. Called by the bell; tests call it instead of an event loop.
    pub(crate) fn take_news(&self, window: &ui::MainWindow) {
        while let Ok(news) = self.news.try_recv() {
            self.show(window, news);
        }
    }

    fn show(&self, window: &ui::MainWindow, news: News) {
        match news {
            News::Wallets(wallets) => self.show_wallets(window, wallets),
            News::Opened { name, kind } => self.show_opened(window, &name, kind),
            News::CreateFailed(why) => create::failed(window, &why),
            News::PasswordNeeded { name } => {
                let open = window.global::<ui::Open>();
                open.set_busy(false);
                open.set_asking_for(name.as_str().into());
            }
            News::OpenFailed(why) => show_open_failed(window, &why),
            News::Account(account) => self.show_account(window, &account),
            News::Connection(connection) => self.show_connection(window, &connection),
            News::Mining(info) => show_mining(window, &info),
            News::Block { height } => {
                let height = present::grouped(u64::from(height.to_u32()));
                let text = format!("Block {height} is found. What it took is confirmed.");
                window.global::<ui::Miner>().set_found(text.into());
            }
            News::Fees(fees) => {
                self.state.borrow_mut().fees = fees;
                send::show_fees(self, window);
            }
            News::Prepared(review) => send::show_review(self, window, &review),
            News::PrepareFailed(why) => send::show_prepare_failed(window, &why),
            News::Sent { txid } => send::show_sent(self, window, &txid),
            News::PasswordWrong => send::show_wrong_password(window),
            News::SendFailed(why) => send::show_send_failed(window, &why),
            News::FaucetPaid { height } => {
                window.global::<ui::Miner>().set_faucet_busy(false);
                let height = present::grouped(u64::from(height.to_u32()));
                notice(window, ui::Tone::Positive, &format!("Demo coins came with block {height}."));
            }
            News::FaucetFailed(why) => {
                window.global::<ui::Miner>().set_faucet_busy(false);
                notice(window, ui::Tone::Danger, &why);
            }
        }
    }

    fn show_wallets(&self, window: &ui::MainWindow, wallets: Vec<WalletSummary>) {
        let items = wallets.iter().map(|wallet| ui::WalletItem {
            name: wallet.name.as_str().into(),
            kind: present::kind(wallet.kind).into(),
        });
        window.global::<ui::Open>().set_wallets(model(items));
        self.state.borrow_mut().wallets = wallets;
    }

    fn show_opened(&self, window: &ui::MainWindow, name: &WalletName, kind: KeyKind) {
        let shell = window.global::<ui::Shell>();
        shell.set_wallet_name(name.as_str().into());
        shell.set_wallet_kind(present::kind(Some(kind)).into());
        shell.set_wallet_open(true);
        let open = window.global::<ui::Open>();
        open.set_busy(false);
        open.set_error(SharedString::default());
        open.set_asking_for(SharedString::default());
        self.state.borrow_mut().kind = Some(kind);
        send::clear(window);
        send::show_fees(self, window);
        window.global::<ui::Receive>().set_hint(receive_hint(kind).into());
        if shell.get_screen() == ui::Screen::Create {
            create::done(self, window);
        } else {
            shell.set_screen(ui::Screen::Overview);
        }
    }

    fn show_account(&self, window: &ui::MainWindow, account: &Account) {
        let network = &self.network;
        let view = window.global::<ui::Account>();
        let (whole, decimals) = present::amount_parts(account.balance.total, network);
        view.set_total(whole.into());
        view.set_total_decimals(decimals.into());
        view.set_spendable(present::coins(account.balance.spendable, network).into());
        view.set_waiting(present::coins(account.balance.waiting, network).into());
        view.set_immature(present::coins(account.balance.immature, network).into());
        let now = Local::now();
        let rows: Vec<_> = account.history.iter().map(|entry| present::row(entry, network, now)).collect();
        view.set_recent(model(rows.iter().take(RECENT).cloned()));
        view.set_rows(model(rows));
        self.show_address(window, &account.address.address);
        self.state.borrow_mut().spendable = account.balance.spendable;
        send::show_spendable(self, window);
    }

    fn show_address(&self, window: &ui::MainWindow, address: &str) {
        if self.state.borrow().address == address {
            return;
        }
        let receive = window.global::<ui::Receive>();
        receive.set_address(address.into());
        receive.set_groups(model(present::groups_of_four(address).into_iter().map(SharedString::from)));
        receive.set_code(qr::picture(&format!("{}:{address}", self.network.uri_scheme)));
        address.clone_into(&mut self.state.borrow_mut().address);
    }

    fn show_connection(&self, window: &ui::MainWindow, connection: &Connection) {
        let (text, tone) = present::connection(connection);
        let shell = window.global::<ui::Shell>();
        shell.set_sync_text(text.into());
        shell.set_sync_tone(tone);
        if matches!(connection, Connection::Offline { .. } | Connection::ServerAway | Connection::Trouble { .. }) {
            // What the miner did is not known any more.
            window.global::<ui::Miner>().set_shown(false);
        }
    }
}

fn receive_hint(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Words | KeyKind::WordsFor { .. } | KeyKind::Multisig { .. } => {
            "For one payment. When it has come, a new address appears here."
        }
        KeyKind::Rsa { .. } | KeyKind::Token { .. } => "An RSA wallet has this one address for all payments.",
        // Of these some have many addresses and some have one.
        KeyKind::Descriptor | KeyKind::WatchOnly => {
            "When a payment has come, a new address appears here if there is one."
        }
    }
}

fn show_open_failed(window: &ui::MainWindow, why: &str) {
    let open = window.global::<ui::Open>();
    open.set_busy(false);
    open.set_error(why.into());
    let shell = window.global::<ui::Shell>();
    // The error stands where the person looks: on the list or in the dialog; elsewhere it is a notice.
    if shell.get_screen() == ui::Screen::Welcome {
        shell.set_screen(ui::Screen::Open);
    } else if shell.get_screen() != ui::Screen::Open {
        notice(window, ui::Tone::Danger, why);
    }
}

fn show_mining(window: &ui::MainWindow, info: &MiningInfo) {
    let miner = window.global::<ui::Miner>();
    // Where nothing that is done here starts the miner, it is shown only while it works.
    miner.set_shown(info.state == MinerState::Mining || (info.state == MinerState::Idle && info.needed.is_some()));
    miner.set_mining(info.state == MinerState::Mining);
    miner.set_waiting(i32::try_from(info.waiting).unwrap_or(i32::MAX));
    miner.set_needed(info.needed.and_then(|needed| i32::try_from(needed).ok()).unwrap_or(0));
    miner.set_sentence(present::miner_sentence(info).into());
    miner.set_rate(present::roughly(info.hashes_per_second).into());
    // Shown rounded, so nothing is lost.
    #[allow(clippy::cast_precision_loss)]
    miner.set_tried(present::roughly(info.hashes_tried as f64).into());
    miner.set_height(present::grouped(u64::from(info.height.to_u32())).into());
}

fn notice(window: &ui::MainWindow, tone: ui::Tone, text: &str) {
    let shell = window.global::<ui::Shell>();
    shell.set_notice_tone(tone);
    shell.set_notice(text.into());
}
