//! The window against the real thing: a demo runs as a process of its own, and a hand without a display creates a wallet,
//! gets demo coins, pays twice, sees the miner's card fill and the payments confirmed.

#[path = "../../../app/tests/support/desk.rs"]
#[expect(dead_code, reason = "some of the hand's movements are used by the window's own tests only")]
mod desk;
#[path = "../end_to_end/home.rs"]
#[expect(dead_code, reason = "some of the helpers are used by the other end-to-end tests only")]
mod home;

use desk::Desk;
use i_slint_backend_testing::AccessibleRole;
use mycoin_app::testing::{Account, Create, Miner};
use slint::platform::Key;
use slint::{ComponentHandle as _, Model as _};

use crate::home::{Home, PASSWORD, PATIENCE, address_after};

fn create_wallet(desk: &Desk, name: &str) {
    let window = desk.app.component();
    desk.click("Create a wallet");
    desk.fill("Name", name);
    desk.press(Key::Return);
    desk.click("Continue");
    let create = window.global::<Create>();
    let words: Vec<String> = create.get_words().iter().map(String::from).collect();
    assert_eq!(words.len(), 12);
    desk.click("I have written them down");
    for place in create.get_asked().iter().filter_map(|place| usize::try_from(place).ok()) {
        desk.fill(&format!("Word {place}"), &words[place - 1]);
    }
    desk.click("Continue");
    desk.fill("Password", PASSWORD);
    desk.fill("The same password again", PASSWORD);
    desk.click("Create the wallet");
    desk.wait("the wallet is made", || desk.says(&format!("{name} is ready")));
}

#[test]
fn create_get_coins_pay_twice_confirmed() {
    let home = Home::new();
    let demo = home.start(&["demo", "--free-ports", "--no-app"]);
    let url = format!("http://{}", address_after(&demo.wait_until_ready(PATIENCE), "proxy"));
    let made = home.json(&["wallet", "create", "bob", "--keys", "rsa", "--password-file", &home.password_file()]);
    let bobs = made["address"].as_str().expect("an address");

    // The window has a folder of its own, as on another machine.
    let desk = Desk::open(&home.path().join("window"), &url);
    let window = desk.app.component();
    create_wallet(&desk, "alice");
    desk.click("Receive your first coins");
    desk.click_on(AccessibleRole::Tab, "Overview");
    desk.click("Get demo coins");
    desk.wait("the demo coins show", || window.global::<Account>().get_total() == "50");
    desk.wait("the miner's card shows", || window.global::<Miner>().get_shown());

    desk.press_with(&[Key::Control], 'n');
    desk.pay(bobs, "5", PASSWORD);
    desk.wait("the miner's card fills", || {
        window.global::<Miner>().get_sentence() == "1 of 2 transactions waiting. The miner starts at 2."
    });
    assert_eq!(home.height(), 1);
    desk.click("Yes, another one");
    desk.pay(bobs, "3", PASSWORD);
    desk.click("No, view transactions");
    let rows = || window.global::<Account>().get_rows();
    desk.wait("both are confirmed", || {
        rows().row_count() == 3 && rows().iter().all(|row| row.state.starts_with("Confirmed"))
    });
    assert_eq!(home.height(), 2);
    home.wait_for_balance("bob", "spendable", 800_000_000);
    desk.picture("real-demo");
}
