//! The screen that pays: form, review, password, result.

use std::rc::Rc;

use mycoin_primitives::{Amount, FeeRate, Network, Txid, parse_address, parse_amount};
use mycoin_wallet::{FeeChoice, KeyKind, Password, PaymentRequest, Review};
use slint::{ComponentHandle, SharedString};

use super::{Controller, model};
use crate::backend::Command;
use crate::{present, ui};

/// The fee choices: their names, and within how many blocks each should confirm. A rate of one's own comes after them.
const TARGETS: [(&str, u16); 3] = [("Slow", 24), ("Normal", 6), ("Fast", 1)];
/// Which of them is chosen at first.
const USUAL: i32 = 1;

/// The size of a payment with one coin and change, in virtual bytes: what the choices' costs are shown for.
const fn usual_vsize(kind: Option<KeyKind>) -> u64 {
    match kind {
        Some(KeyKind::Words | KeyKind::Descriptor | KeyKind::WatchOnly) | None => 154,
        Some(KeyKind::WordsFor { .. }) => 141,
        // Each signature and each key at the witness's discount of four.
        Some(KeyKind::Multisig { required, keys }) => 100 + (required as u64 * 73 + keys as u64 * 34) / 4,
        // The signature is as long as the key, which comes along, both at the witness's discount of four.
        Some(KeyKind::Rsa { bits } | KeyKind::Token { bits }) => 150 + (bits as u64) / 16,
    }
}

pub(super) fn connect(this: &Rc<Controller>, window: &ui::MainWindow) {
    let send = window.global::<ui::Send>();
    let controller = Rc::clone(this);
    send.on_recipient_edited(move |text| controller.with_window(|window| recipient_edited(&controller, window, &text)));
    let controller = Rc::clone(this);
    send.on_amount_edited(move |_| controller.with_window(amount_edited));
    send.on_prepare(this.callback(prepare));
    send.on_back(this.callback(|_, window| {
        let send = window.global::<ui::Send>();
        send.set_error(SharedString::default());
        send.set_step(ui::SendStep::Form);
    }));
    send.on_ask_password(this.callback(|_, window| {
        let send = window.global::<ui::Send>();
        send.set_error(SharedString::default());
        send.set_password_error(SharedString::default());
        send.set_password_asked(true);
    }));
    send.on_cancel_password(this.callback(|_, window| window.global::<ui::Send>().set_password_asked(false)));
    let controller = Rc::clone(this);
    send.on_confirm(move |password| {
        controller.with_window(|window| {
            let Ok(password) = Password::new(password) else { return };
            let send = window.global::<ui::Send>();
            send.set_password_error(SharedString::default());
            send.set_sending(true);
            controller.backend.send(Command::Send { password });
        });
    });
    send.on_another(this.callback(|this, window| {
        clear(window);
        start(this, window);
    }));
    show_fees(this, window);
}

/// Shows the screen; after a payment was sent, an empty form.
pub(super) fn start(this: &Controller, window: &ui::MainWindow) {
    if window.global::<ui::Send>().get_step() == ui::SendStep::Sent {
        clear(window);
    }
    show_spendable(this, window);
    window.global::<ui::Shell>().set_screen(ui::Screen::Send);
}

/// Empties the form.
pub(super) fn clear(window: &ui::MainWindow) {
    let send = window.global::<ui::Send>();
    send.set_recipient(SharedString::default());
    send.set_recipient_hint(SharedString::default());
    send.set_recipient_error(SharedString::default());
    send.set_amount(SharedString::default());
    send.set_amount_error(SharedString::default());
    send.set_fee(USUAL);
    send.set_own_rate(SharedString::default());
    send.set_own_rate_error(SharedString::default());
    send.set_error(SharedString::default());
    send.set_busy(false);
    send.set_sending(false);
    send.set_password_asked(false);
    send.set_step(ui::SendStep::Form);
}

pub(super) fn show_spendable(this: &Controller, window: &ui::MainWindow) {
    let spendable = this.state.borrow().spendable;
    let text = format!("You can spend {} {}.", present::coins(spendable, &this.network), this.network.ticker);
    window.global::<ui::Send>().set_amount_hint(text.into());
}

/// The fee choices with what each costs for a usual payment.
pub(super) fn show_fees(this: &Controller, window: &ui::MainWindow) {
    let state = this.state.borrow();
    let (fees, vsize) = (&state.fees, usual_vsize(state.kind));
    let target = |(title, blocks): (&str, u16)| {
        // Estimates are given for some targets only: the nearest one that is at least as fast serves.
        let rate = fees.range(..=blocks).next_back().or_else(|| fees.iter().next()).map(|(_, rate)| *rate);
        ui::FeeOption {
            title: title.into(),
            detail: if blocks == 1 { "with the next block".into() } else { format!("within {blocks} blocks").into() },
            rate: rate.map_or_else(SharedString::default, |rate| {
                format!("about {}", present::coins(rate.fee_for(vsize), &this.network)).into()
            }),
        }
    };
    let own = ui::FeeOption { title: "My own".into(), detail: "an exact rate".into(), rate: SharedString::default() };
    window.global::<ui::Send>().set_fees(model(TARGETS.into_iter().map(target).chain([own])));
}

fn recipient_edited(this: &Controller, window: &ui::MainWindow, text: &str) {
    let send = window.global::<ui::Send>();
    send.set_recipient_error(SharedString::default());
    send.set_error(SharedString::default());
    let hint = match parse_address(text, &this.network) {
        Ok(_) if text.trim() == this.state.borrow().address => "This is this wallet's own address.".to_owned(),
        Ok(_) => format!("A valid address of {}.", this.network.coin),
        Err(_) => String::new(),
    };
    send.set_recipient_hint(hint.into());
}

fn amount_edited(window: &ui::MainWindow) {
    let send = window.global::<ui::Send>();
    send.set_amount_error(SharedString::default());
    send.set_error(SharedString::default());
}

/// Reads the form; whatever is wrong is said beside its field.
fn prepare(this: &Controller, window: &ui::MainWindow) {
    let send = window.global::<ui::Send>();
    let recipient_text = send.get_recipient().trim().to_owned();
    let recipient = parse_address(&recipient_text, &this.network);
    let amount = parse_amount(&send.get_amount(), &this.network);
    let fee = fee_choice(&send);
    let problem = |text: Option<String>| SharedString::from(text.unwrap_or_default());
    send.set_recipient_error(problem(recipient.as_ref().err().map(|error| present::sentence(error))));
    send.set_amount_error(problem(amount.as_ref().err().map(|error| present::sentence(error))));
    send.set_own_rate_error(problem(fee.as_ref().err().map(|error| present::sentence(error))));
    send.set_error(SharedString::default());
    let (Ok(recipient), Ok(amount), Ok(fee)) = (recipient, amount, fee) else { return };
    send.set_busy(true);
    this.backend.send(Command::Prepare(PaymentRequest::to(recipient, recipient_text, amount, fee)));
}

fn fee_choice(send: &ui::Send) -> Result<FeeChoice, mycoin_primitives::FeeRateError> {
    let chosen = usize::try_from(send.get_fee()).ok().and_then(|index| TARGETS.get(index));
    match chosen {
        Some((_, blocks)) => Ok(FeeChoice::Target { blocks: *blocks }),
        None => FeeRate::parse_sat_per_vb(&send.get_own_rate()).map(FeeChoice::Rate),
    }
}

pub(super) fn show_review(this: &Controller, window: &ui::MainWindow, review: &Review) {
    let send = window.global::<ui::Send>();
    send.set_busy(false);
    send.set_review_recipient(review.recipient().into());
    send.set_review_amount(amount_text(review.amount, &this.network).into());
    send.set_review(model(present::review_lines(review, &this.network)));
    send.set_warnings(model(review.warnings.iter().map(|warning| present::warning(warning).into())));
    send.set_error(SharedString::default());
    send.set_step(ui::SendStep::Review);
    let mut state = this.state.borrow_mut();
    state.recipient = review.recipient();
    state.amount = review.amount;
}

fn amount_text(amount: Amount, network: &Network) -> String {
    format!("{} {}", present::coins(amount, network), network.ticker)
}

pub(super) fn show_prepare_failed(window: &ui::MainWindow, why: &str) {
    let send = window.global::<ui::Send>();
    send.set_busy(false);
    send.set_error(why.into());
}

pub(super) fn show_sent(this: &Controller, window: &ui::MainWindow, txid: &Txid) {
    let send = window.global::<ui::Send>();
    let (amount, recipient) = {
        let state = this.state.borrow();
        (amount_text(state.amount, &this.network), present::shortened(&state.recipient))
    };
    let text = format!(
        "{amount} are on their way to {recipient}. They wait for a block now and are confirmed once one holds them."
    );
    send.set_sent_text(text.into());
    send.set_txid(txid.to_string().into());
    send.set_sending(false);
    send.set_password_asked(false);
    send.set_step(ui::SendStep::Sent);
}

pub(super) fn show_wrong_password(window: &ui::MainWindow) {
    let send = window.global::<ui::Send>();
    send.set_sending(false);
    send.set_password_error("The password is wrong. Nothing was signed. Look for Caps Lock and try again.".into());
}

pub(super) fn show_send_failed(window: &ui::MainWindow, why: &str) {
    let send = window.global::<ui::Send>();
    send.set_sending(false);
    send.set_password_asked(false);
    send.set_error(why.into());
}
