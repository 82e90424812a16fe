//! The screen that makes a wallet: which step comes next, and what must hold before it does.

use std::rc::Rc;

use mycoin_primitives::Failure;
use mycoin_wallet::{KeyKind, Password, RecoveryWords, WalletName};
use slint::{ComponentHandle, SharedString};

use super::{Controller, model};
use crate::backend::{Command, NewKeys};
use crate::{present, ui};

/// How many words are asked back.
const ASKED: usize = 3;

/// A wallet in the making. The words are wiped when this is dropped or the wallet is made.
#[derive(Default)]
pub(super) struct Creation {
    name: Option<WalletName>,
    words: Option<RecoveryWords>,
    /// The places of the words that are asked back, counted from 0, ascending.
    asked: Vec<usize>,
}

pub(super) fn connect(this: &Rc<Controller>, window: &ui::MainWindow) {
    let create = window.global::<ui::Create>();
    let controller = Rc::clone(this);
    create.on_take_name(move |text| controller.with_window(|window| take_name(&controller, window, &text)));
    create.on_take_kind(this.callback(take_kind));
    create.on_words_noted(this.callback(|_, window| show_step(window, ui::CreateStep::Check)));
    let controller = Rc::clone(this);
    create.on_take_answers(move |first, second, third| {
        controller.with_window(|window| take_answers(&controller, window, &[first, second, third]));
    });
    let controller = Rc::clone(this);
    create.on_password_edited(move |password| {
        let (text, tone) = present::strength(&password);
        controller.with_window(|window| {
            let create = window.global::<ui::Create>();
            create.set_strength(text.into());
            create.set_strength_tone(tone);
            create.set_error(SharedString::default());
        });
    });
    let controller = Rc::clone(this);
    create.on_take_password(move |password, again| {
        controller.with_window(|window| take_password(&controller, window, password, &again));
    });
    create.on_back(this.callback(back));
    create.on_cancel(this.callback(leave));
    create.on_finish(this.callback(|_, window| window.global::<ui::Shell>().set_screen(ui::Screen::Receive)));
}

impl Controller {
    pub(super) fn with_window(&self, act: impl FnOnce(&ui::MainWindow)) {
        if let Some(window) = self.window.upgrade() {
            act(&window);
        }
    }
}

/// Begins anew, with nothing left of an earlier beginning.
pub(super) fn start(this: &Controller, window: &ui::MainWindow) {
    forget(this, window);
    let create = window.global::<ui::Create>();
    create.set_name(SharedString::default());
    create.set_rsa(false);
    create.set_bits(KeyKind::DEFAULT_RSA_BITS.try_into().unwrap_or(0));
    create.set_busy(false);
    show_step(window, ui::CreateStep::Name);
    window.global::<ui::Shell>().set_screen(ui::Screen::Create);
}

/// Drops words and name, here and in the window's memory.
fn forget(this: &Controller, window: &ui::MainWindow) {
    this.state.borrow_mut().creation = Creation::default();
    window.global::<ui::Create>().set_words(model([]));
}

fn show_step(window: &ui::MainWindow, step: ui::CreateStep) {
    let create = window.global::<ui::Create>();
    let rsa = create.get_rsa();
    create.set_error(SharedString::default());
    create.set_strength(SharedString::default());
    create.set_step_count(if rsa && step != ui::CreateStep::Kind { 3 } else { 5 });
    create.set_step_number(match step {
        ui::CreateStep::Name => 1,
        ui::CreateStep::Kind => 2,
        ui::CreateStep::Words => 3,
        ui::CreateStep::Check => 4,
        ui::CreateStep::Password | ui::CreateStep::Done => {
            if rsa {
                3
            } else {
                5
            }
        }
    });
    create.set_step(step);
}

fn leave(this: &Controller, window: &ui::MainWindow) {
    forget(this, window);
    let shell = window.global::<ui::Shell>();
    shell.set_screen(if shell.get_wallet_open() { ui::Screen::Overview } else { ui::Screen::Welcome });
}

fn back(this: &Controller, window: &ui::MainWindow) {
    let create = window.global::<ui::Create>();
    match create.get_step() {
        ui::CreateStep::Name => leave(this, window),
        ui::CreateStep::Kind => show_step(window, ui::CreateStep::Name),
        ui::CreateStep::Words => {
            // Other words are made when the person comes back here.
            create.set_words(model([]));
            this.state.borrow_mut().creation.words = None;
            show_step(window, ui::CreateStep::Kind);
        }
        ui::CreateStep::Check => show_step(window, ui::CreateStep::Words),
        // The words were checked and are not shown a second time.
        ui::CreateStep::Password | ui::CreateStep::Done => {
            this.state.borrow_mut().creation.words = None;
            show_step(window, ui::CreateStep::Kind);
        }
    }
}

fn take_name(this: &Controller, window: &ui::MainWindow, text: &str) {
    let create = window.global::<ui::Create>();
    let name = match WalletName::parse(text.trim()) {
        Ok(name) => name,
        Err(error) => return create.set_error(present::sentence(&error as &dyn Failure).into()),
    };
    if this.state.borrow().wallets.iter().any(|wallet| wallet.name == name) {
        return create.set_error(format!("There is a wallet named {name} already. Choose another name.").into());
    }
    create.set_name(name.as_str().into());
    this.state.borrow_mut().creation.name = Some(name);
    show_step(window, ui::CreateStep::Kind);
}

fn take_kind(this: &Controller, window: &ui::MainWindow) {
    let create = window.global::<ui::Create>();
    if create.get_rsa() {
        return show_step(window, ui::CreateStep::Password);
    }
    let words = match RecoveryWords::generate() {
        Ok(words) => words,
        Err(error) => return create.set_error(present::sentence(&error).into()),
    };
    let shown: Vec<SharedString> = words.words().map(SharedString::from).collect();
    let mut asked = rand::seq::index::sample(&mut rand::rng(), shown.len(), ASKED).into_vec();
    asked.sort_unstable();
    create.set_asked(model(asked.iter().map(|place| i32::try_from(place + 1).unwrap_or(0))));
    create.set_words(model(shown));
    let creation = &mut this.state.borrow_mut().creation;
    creation.words = Some(words);
    creation.asked = asked;
    show_step(window, ui::CreateStep::Words);
}

fn take_answers(this: &Controller, window: &ui::MainWindow, answers: &[SharedString; ASKED]) {
    let create = window.global::<ui::Create>();
    let wrong = {
        let creation = &this.state.borrow().creation;
        let Some(words) = &creation.words else { return };
        let words: Vec<&str> = words.words().collect();
        let right =
            |place: usize, answer: &str| words.get(place).is_some_and(|word| answer.trim().eq_ignore_ascii_case(word));
        creation.asked.iter().zip(answers).find(|(place, answer)| !right(**place, answer)).map(|(place, _)| place + 1)
    };
    if let Some(place) = wrong {
        let text = format!("Word {place} is another one. Look at your paper, or have the words shown again.");
        return create.set_error(text.into());
    }
    // They are on paper now: the window needs them no longer.
    create.set_words(model([]));
    show_step(window, ui::CreateStep::Password);
}

fn take_password(this: &Controller, window: &ui::MainWindow, password: SharedString, again: &SharedString) {
    let create = window.global::<ui::Create>();
    if password != *again {
        return create.set_error("The two passwords differ. Type the same one twice.".into());
    }
    let Ok(password) = Password::new(password) else { return };
    let creation = &mut this.state.borrow_mut().creation;
    let Some(name) = creation.name.clone() else { return };
    let keys = if create.get_rsa() {
        NewKeys::Rsa { bits: u32::try_from(create.get_bits()).unwrap_or(KeyKind::DEFAULT_RSA_BITS) }
    } else {
        let Some(words) = creation.words.take() else { return };
        NewKeys::Words(words)
    };
    create.set_error(SharedString::default());
    create.set_busy(true);
    this.backend.send(Command::Create { name, keys, password });
}

/// The wallet was not made: back to its name, which is what usually stands in the way; the words are gone.
pub(super) fn failed(window: &ui::MainWindow, why: &str) {
    let create = window.global::<ui::Create>();
    create.set_busy(false);
    show_step(window, ui::CreateStep::Name);
    create.set_error(why.into());
}

/// The wallet is made and open.
pub(super) fn done(this: &Controller, window: &ui::MainWindow) {
    window.global::<ui::Create>().set_busy(false);
    forget(this, window);
    show_step(window, ui::CreateStep::Done);
}
