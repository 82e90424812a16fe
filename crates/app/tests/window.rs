//! The window, driven headless: no display, real clicks and keys, a proxy in this process.

mod support;

use std::time::Duration;

use i_slint_backend_testing::AccessibleRole;
use mycoin_app::testing::{Account, Create, Miner, Receive, Screen, Send, SendStep, Shell, Theme};
use mycoin_primitives::Network;
use mycoin_wallet::{Password, RecoveryWords, WalletFolder, WalletName};
use slint::platform::Key;
use slint::{ComponentHandle as _, Model as _};
use support::Desk;
use support::fake_proxy::FakeProxy;

const PASSWORD: &str = "correct horse battery";

fn screen(desk: &Desk) -> Screen {
    desk.app.component().global::<Shell>().get_screen()
}

fn create_wallet(desk: &Desk, name: &str) {
    let window = desk.app.component();
    desk.click("Create a wallet");
    desk.fill("Name", name);
    desk.press(Key::Return);
    desk.click("Continue");
    let create = window.global::<Create>();
    let words: Vec<String> = create.get_words().iter().map(String::from).collect();
    assert_eq!(words.len(), 12);
    assert!(words.iter().all(|word| desk.says(word)), "all words are shown");
    desk.click("I have written them down");

    let asked: Vec<usize> = create.get_asked().iter().filter_map(|place| usize::try_from(place).ok()).collect();
    let right = |place: &usize| words.get(place - 1).map(String::as_str).expect("a place of the list");
    desk.fill(&format!("Word {}", asked[0]), "wrong");
    desk.fill(&format!("Word {}", asked[1]), right(&asked[1]));
    desk.fill(&format!("Word {}", asked[2]), right(&asked[2]));
    desk.click("Continue");
    assert!(create.get_error().contains(&format!("Word {} is another one", asked[0])));
    desk.fill(&format!("Word {}", asked[0]), "");
    desk.press_with(&[Key::Control], 'a');
    desk.type_text(right(&asked[0]));
    desk.click("Continue");
    assert_eq!(create.get_words().row_count(), 0, "the window has forgotten the words");

    desk.fill("Password", PASSWORD);
    desk.fill("The same password again", "something else");
    desk.click("Create the wallet");
    assert!(desk.says("The two passwords differ"));
    desk.press_with(&[Key::Control], 'a');
    desk.fill("The same password again", "");
    desk.press_with(&[Key::Control], 'a');
    desk.type_text(PASSWORD);
    desk.click("Create the wallet");
    desk.wait("the wallet is made", || desk.says(&format!("{name} is ready")));
}

#[test]
fn first_run_to_confirmed_payment() {
    let proxy = FakeProxy::start(Duration::from_millis(400), 0).expect("a free port");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wallets = folder.path().join("wallets");
    let desk = Desk::open(&wallets, &proxy.url);
    let window = desk.app.component();
    assert_eq!(screen(&desk), Screen::Welcome);

    create_wallet(&desk, "alice");
    desk.click("Receive your first coins");
    assert_eq!(screen(&desk), Screen::Receive);
    let address = || window.global::<Receive>().get_address();
    desk.wait("the address shows", || !address().is_empty());
    assert!(address().starts_with("dmyc1p"), "{}", address());
    assert!(window.global::<Receive>().get_code().size().width > 20);

    desk.click_on(AccessibleRole::Tab, "Overview");
    desk.click("Get demo coins");
    desk.wait("the demo coins show", || window.global::<Account>().get_total() == "50");
    desk.wait("the miner card shows", || window.global::<Miner>().get_shown());

    let bob = RecoveryWords::generate()
        .and_then(|words| {
            let name = WalletName::parse("bob").expect("a good name");
            let password = Password::new("b").expect("not empty");
            WalletFolder::at(folder.path().join("elsewhere"), Network::demo())
                .create_from_words(&name, &words, &password)
        })
        .and_then(|mut wallet| wallet.next_address())
        .expect("a second wallet");

    desk.press_with(&[Key::Control], 'n');
    assert_eq!(screen(&desk), Screen::Send);
    desk.pay(&bob.address, "5", PASSWORD);
    desk.wait("one waits", || {
        window.global::<Miner>().get_sentence() == "1 of 2 transactions waiting. The miner starts at 2."
    });
    desk.click("Yes, another one");
    let before = proxy.height();
    desk.pay(&bob.address, "3", PASSWORD);
    desk.wait("the block comes", || proxy.height() > before);
    desk.click("No, view transactions");
    let rows = || window.global::<Account>().get_rows();
    desk.wait("both are confirmed", || rows().row_count() == 3 && rows().iter().all(|row| row.state == "Confirmed"));
    assert!(desk.says("Sent: 3.0"), "rows are read as sentences: {:?}", desk.labels());
    desk.picture("transactions");
}

#[test]
fn bad_input_is_answered_beside_its_field() {
    let proxy = FakeProxy::start(Duration::from_millis(400), 0).expect("a free port");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wallets = folder.path().join("wallets");
    let name = WalletName::parse("carol").expect("a good name");
    let address = {
        let words = RecoveryWords::generate().expect("randomness");
        let password = Password::new(PASSWORD).expect("not empty");
        let mut wallet = WalletFolder::at(&wallets, Network::demo())
            .create_from_words(&name, &words, &password)
            .expect("an empty folder");
        wallet.next_address().expect("a new wallet").address
    };
    WalletFolder::at(&wallets, Network::demo()).lock(&name).expect("it is there");

    let desk = Desk::open(&wallets, &proxy.url);
    let window = desk.app.component();
    desk.wait("the list comes", || desk.says("Open a wallet"));
    desk.click("Open a wallet");
    desk.wait("the wallet is listed", || desk.says("Open the wallet carol"));
    desk.click("Open the wallet carol");
    desk.wait("the password is asked", || desk.says("Password"));
    desk.type_text("wrong");
    desk.press(Key::Return);
    desk.wait("it is refused", || desk.says("The password is wrong"));
    desk.type_text(PASSWORD);
    desk.press(Key::Return);
    desk.wait("it opens", || screen(&desk) == Screen::Overview);

    desk.click("Get demo coins");
    desk.wait("the demo coins show", || window.global::<Account>().get_total() == "50");
    desk.press_with(&[Key::Control], 'n');
    assert!(!desk.is_enabled("Review"), "nothing is typed yet");
    let send = window.global::<Send>();
    desk.fill("Recipient", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4");
    desk.fill("Amount", "0");
    desk.click("Review");
    assert!(send.get_recipient_error().contains("belongs to"), "{}", send.get_recipient_error());
    assert!(send.get_amount_error().contains("zero"), "{}", send.get_amount_error());

    send.set_recipient(address.as_str().into());
    send.set_amount("5000".into());
    desk.click("Review");
    desk.wait("it is too much", || send.get_error().contains("ot enough"));
    send.set_amount("1".into());
    desk.click("Review");
    desk.wait("the review comes", || send.get_step() == SendStep::Review);
    assert!(desk.says("you would pay yourself"));
    desk.click("Send…");
    desk.type_text("wrong");
    desk.press(Key::Return);
    desk.wait("the password is refused", || !send.get_password_error().is_empty());
    assert!(send.get_password_asked() && send.get_step() == SendStep::Review);
    desk.press(Key::Escape);
    assert!(!send.get_password_asked(), "Esc closes the dialog");
}

#[test]
fn menus_by_keyboard() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Nobody answers there: the window works all the same.
    let desk = Desk::open(&folder.path().join("wallets"), "http://127.0.0.1:9");
    let window = desk.app.component();
    let opened = |entry: &str| desk.labels().iter().any(|label| label == entry);

    desk.press(Key::F10);
    assert!(opened("New wallet…, Ctrl+Shift+N") && opened("Exit, Ctrl+Q"));
    desk.press(Key::RightArrow);
    assert!(opened("Receive, Ctrl+R") && !opened("Exit, Ctrl+Q"));
    desk.press(Key::Escape);
    assert!(!opened("Receive, Ctrl+R"));

    desk.press_with(&[Key::Alt], 'f');
    desk.press(Key::DownArrow);
    desk.press(Key::UpArrow);
    desk.press(Key::Return);
    assert_eq!(screen(&desk), Screen::Create);
    desk.type_text("typed");
    assert_eq!(window.global::<Create>().get_name(), "typed", "the first field has the focus");
    desk.click("Cancel");
    assert_eq!(screen(&desk), Screen::Welcome);

    desk.press_with(&[Key::Control], 't');
    assert_eq!(screen(&desk), Screen::Welcome, "without a wallet there are no transactions");
    desk.press(Key::F1);
    assert!(desk.says("A whole coin that one person can run"));
    desk.press(Key::Tab);
    desk.press(Key::Escape);
    assert!(!desk.says("A whole coin that one person can run"));

    desk.wait("the lost connection is said", || window.global::<Shell>().get_sync_text().contains("No connection"));
    desk.press_with(&[Key::Control], 'q');
    assert!(!desk.app.window().is_visible(), "Ctrl+Q closes the window");
}

#[test]
fn light_and_dark_pictures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let desk = Desk::open(&folder.path().join("wallets"), "http://127.0.0.1:9");
    let theme = desk.app.component().global::<Theme>();
    theme.invoke_use_dark(false);
    assert!(desk.picture("welcome-light").iter().all(|channel| *channel > 200));
    theme.invoke_use_dark(true);
    assert!(desk.picture("welcome-dark").iter().all(|channel| *channel < 60));
}
