//! Servers of one coin, in a line: what one accepts, all get.

use mycoin_testkit::process::{Program, wait_until};

use crate::home::{Home, PATIENCE, address_after, units};

const COIN: u64 = 100_000_000;

/// A server with its own folder.
struct Node {
    home: Home,
    program: Program,
    rpc: String,
    p2p: String,
}

impl Node {
    fn start(home: Home, connect: Option<&str>, p2p: &str, mine: &str) -> Self {
        let password = home.password_file();
        let mut arguments =
            vec!["server", "--rpc", "127.0.0.1:0", "--p2p", p2p, "--mine", mine, "--password-file", &password];
        if let Some(peer) = connect {
            arguments.extend(["--connect", peer]);
        }
        let program = home.start(&arguments);
        let ready = program.wait_until_ready(PATIENCE);
        let (rpc, p2p) = (address_after(&ready, "rpc"), address_after(&ready, "peers"));
        Self { home, program, rpc, p2p }
    }

    fn call(&self, arguments: &[&str]) -> serde_json::Value {
        self.home.rpc_at(&self.rpc, arguments)
    }

    fn tip(&self) -> String {
        self.call(&["getbestblockhash"]).as_str().expect("a hash").to_owned()
    }

    fn mine(&self, count: &str, address: &str) {
        self.call(&["generatetoaddress", count, address]);
    }

    /// Kills it, and gives the folder back for another start.
    fn kill(self) -> Home {
        let Self { home, mut program, .. } = self;
        program.kill();
        home
    }
}

fn wait_for_one_tip(what: &str, nodes: &[&Node]) {
    wait_until(what, PATIENCE, || {
        let mut tips = nodes.iter().map(|node| node.tip());
        let first = tips.next()?;
        tips.all(|tip| tip == first).then_some(())
    });
}

#[test]
fn three_servers_in_a_line_are_one_coin() {
    // left ─ middle ─ right; only the right one has a miner that starts by itself.
    let middle = Node::start(Home::new(), None, "127.0.0.1:0", "off");
    let middle_address = middle.p2p.clone();
    let left = Node::start(Home::new(), Some(&middle_address), "127.0.0.1:0", "off");
    let right = Node::start(Home::new(), Some(&middle_address), "127.0.0.1:0", "transactions=1");

    let proxy = left.home.start(&[
        "proxy",
        "--listen",
        "127.0.0.1:0",
        "--server",
        &left.rpc,
        "--password-file",
        &left.home.password_file(),
    ]);
    let url = format!("http://{}", address_after(&proxy.wait_until_ready(PATIENCE), "proxy"));
    let password = left.home.password_file();
    let create = |name: &str| {
        let made = left.home.json(&["wallet", "create", name, "--password-file", &password, "--yes"]);
        made["address"].as_str().expect("an address").to_owned()
    };
    create("alice");
    let bobs = create("bob");
    let balance = |name: &str, part: &str| units(&left.home.json(&["wallet", "balance", name, "--proxy", &url])[part]);
    left.home.json(&["wallet", "faucet", "alice", "--proxy", &url]);
    wait_until("the faucet's block is alice's", PATIENCE, || {
        (balance("alice", "spendable") == 50 * COIN).then_some(())
    });
    wait_for_one_tip("the faucet's block is everyone's tip", &[&left, &middle, &right]);

    // A payment at one end is mined at the other.
    let sent = left.home.json(&[
        "wallet",
        "send",
        "alice",
        "--to",
        &bobs,
        "--amount",
        "7",
        "--yes",
        "--proxy",
        &url,
        "--password-file",
        &password,
    ]);
    wait_until("the payment is confirmed", PATIENCE, || (balance("bob", "spendable") == 7 * COIN).then_some(()));
    wait_for_one_tip("the block of the right end is everyone's tip", &[&left, &middle, &right]);
    let txid = sent["txid"].as_str().expect("a txid");
    let tip = right.tip();
    let mined = right.call(&["getblock", &tip]);
    assert!(mined["tx"].as_array().is_some_and(|list| list.iter().any(|id| id == txid)), "{mined}");
    let log = right.program.output();
    assert!(log.contains("Miner: found block 2"), "the right end mined:\n{log}");

    // A server that was killed for 20 blocks catches up.
    let home = right.kill();
    left.mine("20", &bobs);
    let right = Node::start(home, Some(&middle_address), "127.0.0.1:0", "off");
    wait_for_one_tip("the server that was away catches up", &[&left, &middle, &right]);
    assert_eq!(right.call(&["getblockcount"]).as_u64(), Some(22));

    // Two that mined apart agree on the branch with more work.
    let home = middle.kill();
    left.mine("2", &bobs);
    right.mine("3", &bobs);
    let longer = right.tip();
    assert_ne!(left.tip(), longer);
    let middle = Node::start(home, None, &middle_address, "off");
    wait_for_one_tip("both sides agree", &[&left, &middle, &right]);
    assert_eq!(left.tip(), longer);
    assert_eq!(left.call(&["getpeerinfo"]).as_array().map(Vec::len), Some(1));
}
