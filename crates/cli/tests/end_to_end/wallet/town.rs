//! A server that mines only when it is told to, its proxy, and wallets beside them.

use mycoin_primitives::{Network, ScriptBuf, address_of};
use mycoin_testkit::process::{Program, wait_until};
use serde_json::Value;

use crate::home::{Home, PATIENCE, address_after, units};

pub(super) const COIN: u64 = 100_000_000;

pub(super) struct Town {
    pub(super) home: Home,
    password: String,
    pub(super) server: Program,
    proxy: Program,
    rpc: String,
    url: String,
}

fn start(home: &Home, password: &str) -> (Program, Program, String, String) {
    let server =
        home.start(&["server", "--no-listen", "--rpc", "127.0.0.1:0", "--mine", "off", "--password-file", password]);
    let rpc = address_after(&server.wait_until_ready(PATIENCE), "rpc");
    let proxy = home.start(&["proxy", "--listen", "127.0.0.1:0", "--server", &rpc, "--password-file", password]);
    let url = format!("http://{}", address_after(&proxy.wait_until_ready(PATIENCE), "proxy"));
    (server, proxy, rpc, url)
}

impl Town {
    pub(super) fn new(wallets: &[&str]) -> Self {
        let home = Home::new();
        let password = home.password_file();
        let (server, proxy, rpc, url) = start(&home, &password);
        for name in wallets {
            home.json(&["wallet", "create", name, "--password-file", &password, "--yes"]);
        }
        Self { home, password, server, proxy, rpc, url }
    }

    /// Starts server and proxy anew.
    pub(super) fn restart(&mut self) {
        for program in [&mut self.proxy, &mut self.server] {
            if program.is_running() {
                program.interrupt(PATIENCE);
            }
        }
        (self.server, self.proxy, self.rpc, self.url) = start(&self.home, &self.password);
        wait_until("the new server answers", PATIENCE, || {
            let call = ["rpc", "getblockcount", "--server", &self.rpc, "--password-file", &self.password];
            (self.home.run(&call).code == 0).then_some(())
        });
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn with_proxy<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["wallet"], arguments, &["--proxy", &self.url]].concat()
    }

    /// A wallet command that asks the proxy and must succeed.
    pub(super) fn wallet(&self, arguments: &[&str]) -> Value {
        self.home.json(&self.with_proxy(arguments))
    }

    /// The same for a person, without JSON: what it prints.
    pub(super) fn told(&self, arguments: &[&str]) -> String {
        let finished = self.home.run(&self.with_proxy(arguments));
        assert_eq!(finished.code, 0, "{arguments:?}: {}{}", finished.stdout, finished.stderr);
        finished.stdout
    }

    /// A command that pays.
    pub(super) fn pay(&self, arguments: &[&str]) -> Value {
        self.wallet(&[arguments, &["--yes", "--password-file", &self.password]].concat())
    }

    /// A command that pays and must fail: the error's code and sentence.
    pub(super) fn refused(&self, arguments: &[&str]) -> (String, String) {
        let consent = ["--yes", "--password-file", &self.password];
        self.home.refused(&self.with_proxy(&[arguments, &consent].concat()))
    }

    pub(super) fn address(&self, wallet: &str) -> String {
        text(&self.home.json(&["wallet", "address", wallet])["address"])
    }

    pub(super) fn rpc(&self, arguments: &[&str]) -> Value {
        self.home.rpc_at(&self.rpc, arguments)
    }

    /// The waiting transactions of the server.
    pub(super) fn waiting(&self) -> Vec<String> {
        let list = self.rpc(&["getrawmempool"]);
        let mut list: Vec<String> = list.as_array().expect("a list").iter().map(text).collect();
        list.sort();
        list
    }

    /// Mines blocks that pay a wallet, and waits until the proxy knows them.
    pub(super) fn mine_for(&self, wallet: &str, blocks: u32) {
        let address = self.address(wallet);
        self.mine_to(&address, blocks);
    }

    /// Mines a block that pays nobody here.
    pub(super) fn mine(&self) {
        let nobody = ScriptBuf::from_bytes([&[0, 20][..], &[1; 20]].concat());
        let address = address_of(&nobody, &Network::demo()).expect("a standard script has an address");
        self.mine_to(&address, 1);
    }

    fn mine_to(&self, address: &str, blocks: u32) {
        self.rpc(&["generatetoaddress", &blocks.to_string(), address]);
        let height = self.rpc(&["getblockcount"]);
        wait_until("the proxy knows the blocks", PATIENCE, || {
            (self.wallet(&["balance", "alice"])["height"] == height).then_some(())
        });
    }

    pub(super) fn balance(&self, wallet: &str, part: &str) -> u64 {
        units(&self.wallet(&["balance", wallet])[part])
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
