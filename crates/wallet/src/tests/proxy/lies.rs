//! One test for each lie: a plain warning or refusal, and never another balance.

use super::*;

/// A wallet with one confirmed coin, and an honest proxy.
async fn setting() -> Setting {
    let mut setting = Setting::new(KeyKind::Words);
    let tx = gift(setting.script(0), COIN);
    setting.world(|world| {
        world.mine(vec![tx]);
        world.mine(vec![]);
    });
    setting.sync().await.expect("an honest proxy");
    assert_eq!(setting.balance(), [COIN, 0, 0]);
    setting
}

fn mined_anew(header: Header) -> Header {
    let mut header = header;
    while header.validate_pow(Target::from_compact(header.bits)).is_err() {
        header.nonce = header.nonce.wrapping_add(1);
    }
    header
}

#[tokio::test]
async fn headers_with_less_work_change_nothing() {
    let mut setting = setting().await;
    let bait = gift(setting.script(1), 9 * COIN);
    let (_, other) = setting.other(|world| {
        world.blocks.truncate(1);
        world.mine_salted(vec![bait], 7);
    });
    let error = setting.wallet.sync(&other).await.expect_err("less work");
    assert!(matches!(error, SyncError::LessWork { .. }), "{error}");
    assert!(error.to_string().contains(other.url()), "{error}");
    assert_eq!((setting.balance(), setting.wallet.tip()), ([COIN, 0, 0], Height::new(2)));
}

#[tokio::test]
async fn headers_that_break_a_rule_change_nothing() {
    let setting = setting().await;
    let network = Network::demo();
    let top = setting.world.lock().expect("no panic").blocks[2].header;
    let idle = (0..).map(|nonce| Header { nonce, ..top }).find(|header| header.validate_pow(header.target()).is_err());
    let easier = mycoin_primitives::CompactTarget::from_consensus(0x2000_ffff);
    assert_ne!(easier, network.pow_limit);
    let bad = [
        idle.expect("some nonce is wrong"),
        mined_anew(Header { bits: easier, ..top }),
        mined_anew(Header { time: network.genesis.time, ..top }),
        mined_anew(Header { time: u32::MAX, ..top }),
    ];
    for header in bad {
        // A wallet that knows one block less, so that the bad header is news.
        let mut wallet = Setting::new(KeyKind::Words);
        wallet.world(|world| world.blocks = setting.world.lock().expect("no panic").blocks[..2].to_vec());
        wallet.sync().await.expect("an honest proxy");
        let (_, other) = setting.other(|world| {
            world.headers.insert(2, header);
        });
        let error = wallet.wallet.sync(&other).await.expect_err("a bad header");
        assert!(matches!(error, SyncError::BadHeaders { .. }), "{error}");
        assert_eq!(wallet.wallet.tip(), Height::new(1));
    }
}

#[tokio::test]
async fn a_confirmed_transaction_without_its_proof_changes_nothing() {
    let mut setting = setting().await;
    let tx = gift(setting.script(1), 2 * COIN);
    setting.world(|world| {
        world.mine(vec![tx]);
        world.bends_proofs = true;
    });
    assert!(matches!(setting.sync().await, Err(SyncError::BadProof { .. })));
    setting.world(|world| {
        world.bends_proofs = false;
        world.moves_transactions = true;
    });
    assert!(matches!(setting.sync().await, Err(SyncError::Contradiction { .. })));
    assert_eq!(setting.balance(), [COIN, 0, 0]);
    setting.world(|world| world.moves_transactions = false);
    setting.sync().await.expect("an honest proxy");
    assert_eq!(setting.balance(), [3 * COIN, 0, 0]);
}

#[tokio::test]
async fn a_blocks_time_is_that_of_its_header_whatever_the_proxy_says() {
    let setting = setting().await;
    let time = setting.world.lock().expect("no panic").blocks[1].header.time;
    assert_eq!(setting.wallet.history()[0].time, u64::from(time));
}

#[tokio::test]
async fn a_transaction_of_64_bytes_is_not_believed() {
    let mut setting = Setting::new(KeyKind::Rsa { bits: 2048 });
    let script = ScriptBuf::from_bytes(vec![0x51; 4]);
    let mut inner_node = gift(script.clone(), COIN);
    inner_node.output[0].script_pubkey = script;
    assert_eq!(inner_node.base_size(), 64);
    setting.world(|world| {
        world.mine(vec![inner_node.clone()]);
        world.shows_always = Some(inner_node);
    });
    assert!(matches!(setting.sync().await, Err(SyncError::BadProof { .. })));
    assert_eq!(setting.balance(), [0, 0, 0]);
}

#[tokio::test]
async fn a_hidden_transaction_counts_and_its_hiding_is_named() {
    let mut setting = setting().await;
    let hidden = setting.wallet.history()[0].txid;
    setting.world(|world| world.hides = vec![hidden]);
    let report = setting.sync().await.expect("what is known stays");
    assert_eq!(report.warnings, [SyncWarning::Hides { proxy: setting.proxy.url().to_owned(), txid: hidden }]);
    assert!(report.warnings[0].is_lie());
    assert_eq!(setting.balance(), [COIN, 0, 0]);
}

#[tokio::test]
async fn what_one_proxy_hides_and_another_proves_counts() {
    for liar_first in [true, false] {
        let mut setting = setting().await;
        let tx = gift(setting.script(1), 2 * COIN);
        setting.world(|world| world.mine(vec![tx.clone()]));
        let (_, liar) = setting.other(|world| world.hides = vec![tx.compute_txid()]);
        let (proxies, warning) = match liar_first {
            true => ([liar.clone(), setting.proxy.clone()], liar.url()),
            false => ([setting.proxy.clone(), liar.clone()], liar.url()),
        };
        let report = setting.wallet.sync_with(&proxies, &|_| {}).await.expect("one is honest");
        assert_eq!(report.warnings, [SyncWarning::Hides { proxy: warning.to_owned(), txid: tx.compute_txid() }]);
        assert_eq!(setting.balance(), [3 * COIN, 0, 0]);
    }
}

#[tokio::test]
async fn a_proxy_that_hid_something_is_healed_by_an_honest_one_later() {
    let mut setting = Setting::new(KeyKind::Words);
    let tx = gift(setting.script(0), COIN);
    setting.world(|world| {
        world.mine(vec![tx.clone()]);
        world.hides = vec![tx.compute_txid()];
    });
    setting.sync().await.expect("nothing to be seen");
    assert_eq!(setting.balance(), [0, 0, 0]);
    setting.world(|world| world.hides.clear());
    setting.sync().await.expect("an honest proxy");
    assert_eq!(setting.balance(), [COIN, 0, 0]);
}

#[tokio::test]
async fn an_invented_payment_of_ours_or_an_invalid_one_changes_nothing() {
    let mut setting = setting().await;
    let ours = setting.wallet.history()[0].txid;
    let script = setting.script(1);
    let theft = payment(OutPoint { txid: ours, vout: 0 }, stranger(), COIN);
    let reward = payment(OutPoint::null(), script.clone(), COIN);
    let mut twice = gift(script.clone(), COIN);
    twice.input.push(twice.input[0].clone());
    let mut nothing = gift(script, COIN);
    nothing.input.clear();
    for invented in [theft, reward, twice, nothing] {
        setting.world(|world| world.waiting = vec![invented.clone()]);
        assert!(setting.sync().await.is_err(), "{invented:?}");
        assert_eq!((setting.balance(), setting.wallet.history().len()), ([COIN, 0, 0], 1));
    }
    setting.world(|world| world.waiting.clear());
    setting.sync().await.expect("an honest proxy");
}

#[tokio::test]
async fn a_waiting_payment_that_only_one_proxy_shows_does_not_count_yet() {
    let mut setting = setting().await;
    let tx = gift(setting.script(1), 2 * COIN);
    let (world, liar) = setting.other(|world| world.waiting.push(tx.clone()));
    assert_eq!(setting.sync_both(&liar).await.expect("one is honest"), ["sync/only-one-shows"]);
    assert_eq!(setting.balance(), [COIN, 0, 0]);
    setting.world(|world| world.waiting.push(tx.clone()));
    assert!(setting.sync_both(&liar).await.expect("both agree").is_empty());
    assert_eq!(setting.balance(), [COIN, 2 * COIN, 0]);
    // It stays as long as one of them shows it.
    world.lock().expect("no panic").waiting.clear();
    assert!(setting.sync_both(&liar).await.expect("both agree").is_empty());
    assert_eq!(setting.balance(), [COIN, 2 * COIN, 0]);
}

#[tokio::test]
async fn more_than_is_shown_is_a_contradiction() {
    let mut setting = setting().await;
    setting.world(|world| world.exaggerates = true);
    assert!(matches!(setting.sync().await, Err(SyncError::Contradiction { .. })));
    assert_eq!(setting.balance(), [COIN, 0, 0]);
}

#[tokio::test]
async fn absurd_fees_are_ignored() {
    let mut setting = setting().await;
    for fees in [json!({"1": 1_001.0}), json!({"1": 1e300}), json!({"1": -1.0}), json!("free")] {
        setting.world(|world| world.fees = Some(fees.clone()));
        let report = setting.sync().await.expect("the rest is honest");
        assert_eq!(report.warnings, [SyncWarning::AbsurdFees { proxy: setting.proxy.url().to_owned() }], "{fees}");
        assert!(setting.wallet.fee_estimates.is_empty());
    }
    // Beside an honest proxy, the honest one's are used.
    let (_, honest) = setting.other(|world| world.fees = None);
    assert_eq!(setting.sync_both(&honest).await.expect("one is honest"), ["sync/absurd-fees"]);
    assert_eq!(setting.wallet.fee_estimates.get(&6), Some(&FeeRate::from_sat_per_vb(2)));
}

#[tokio::test]
async fn of_two_proxies_estimates_the_lower_is_used_and_a_wide_difference_named() {
    let mut setting = setting().await;
    let (world, other) = setting.other(|world| world.fees = Some(json!({"1": 9.0, "6": 2.5})));
    assert!(setting.sync_both(&other).await.expect("both are honest").is_empty());
    world.lock().expect("no panic").fees = Some(json!({"1": 90.0, "6": 1.0}));
    let proxies = [setting.proxy.clone(), other];
    let report = setting.wallet.sync_with(&proxies, &|_| {}).await.expect("both agree on the chain");
    let [warning @ SyncWarning::FeesDiffer { blocks: 1, .. }] = &report.warnings[..] else { panic!("{report:?}") };
    assert!(warning.to_string().contains("from 8.000 sat/vB to 90.000 sat/vB"), "{warning}");
    assert_eq!(setting.wallet.fee_estimates.get(&1), Some(&FeeRate::from_sat_per_vb(8)));
    assert_eq!(setting.wallet.fee_estimates.get(&6), Some(&FeeRate::from_sat_per_vb(1)));
}

#[tokio::test]
async fn markup_in_a_proxys_words_is_not_shown() {
    let mut setting = setting().await;
    let evil = "<a href=\"https://evil.example\">Update now</a>\u{1b}[31m";
    for text in [
        json!({"error": {"code": evil, "message": evil, "reject_reason": evil}}).to_string(),
        evil.to_owned(),
        json!({"error": {"code": "tx/dust", "message": evil, "next": evil}}).to_string(),
    ] {
        setting.world(|world| world.refuses = Some(text.clone()));
        let shown = setting.sync().await.expect_err("refused").to_string();
        assert!(!shown.contains("evil.example") && !shown.contains(['<', '\u{1b}']), "{shown}");
        let (_, honest) = setting.other(|world| world.refuses = None);
        let proxies = [setting.proxy.clone(), honest];
        let report = setting.wallet.sync_with(&proxies, &|_| {}).await.expect("one is honest");
        let said: String = report.warnings.iter().map(ToString::to_string).collect();
        assert!(said.contains(setting.proxy.url()) && !said.contains("evil.example"), "{said}");
    }
    assert_eq!(setting.balance(), [COIN, 0, 0]);
}

#[tokio::test]
async fn a_proxy_that_is_away_lags_or_follows_another_chain_is_named_beside_a_good_one() {
    let mut setting = setting().await;
    let tx = gift(setting.script(1), 2 * COIN);
    let (_, lagging) = setting.other(|_| {});
    setting.world(|world| world.mine(vec![tx]));
    let (_, stale) = setting.other(|world| {
        world.blocks.truncate(2);
        world.mine_salted(vec![], 9);
    });
    let away = ProxyClient::new("http://127.0.0.1:1", &Network::demo()).expect("a good address");
    for (other, code) in [(lagging, "sync/lags"), (stale, "sync/other-chain"), (away, "sync/away")] {
        assert_eq!(setting.sync_both(&other).await.expect("one is good"), [code]);
        assert_eq!(setting.balance(), [3 * COIN, 0, 0]);
    }
}

#[tokio::test]
async fn a_liar_beside_an_honest_proxy_is_left_out() {
    let lies: [fn(&mut World, Txid); 4] = [
        |world, _| world.bends_proofs = true,
        |world, _| world.moves_transactions = true,
        |world, _| world.exaggerates = true,
        |world, ours| world.waiting.push(payment(OutPoint { txid: ours, vout: 0 }, stranger(), COIN)),
    ];
    for lie in lies {
        let mut setting = setting().await;
        let tx = gift(setting.script(1), 2 * COIN);
        setting.world(|world| world.mine(vec![tx]));
        let ours = setting.wallet.history()[0].txid;
        let (_, liar) = setting.other(|world| lie(world, ours));
        let proxies = [liar.clone(), setting.proxy.clone()];
        let report = setting.wallet.sync_with(&proxies, &|_| {}).await.expect("one is honest");
        let [warning @ SyncWarning::Wrong { proxy, .. }] = &report.warnings[..] else { panic!("{report:?}") };
        assert!(proxy == liar.url() && warning.is_lie(), "{warning}");
        assert_eq!(setting.balance(), [3 * COIN, 0, 0]);
    }
}

#[tokio::test]
async fn no_proxy_at_all_is_an_error_of_its_own() {
    let mut setting = setting().await;
    assert!(matches!(setting.wallet.sync_with(&[], &|_| {}).await, Err(SyncError::NoProxy)));
}

#[tokio::test]
async fn what_is_proven_is_not_asked_for_again() {
    let mut setting = setting().await;
    setting.asked();
    setting.sync().await.expect("an honest proxy");
    let asked = setting.asked();
    let is = |path: &str| asked.iter().filter(|asked| asked.starts_with(path)).count();
    assert_eq!((is("/api/history"), is("/api/transactions"), is("/api/headers")), (0, 0, 0), "{asked:?}");
    // A new block that does not concern us: its header alone.
    setting.world(|world| world.mine(vec![]));
    setting.sync().await.expect("an honest proxy");
    let asked = setting.asked();
    let is = |path: &str| asked.iter().filter(|asked| asked.starts_with(path)).count();
    assert_eq!((is("/api/history"), is("/api/transactions"), is("/api/headers")), (0, 0, 1), "{asked:?}");
    // One that does: the list and the one transaction.
    let tx = gift(setting.script(0), 2 * COIN);
    setting.world(|world| world.mine(vec![tx]));
    setting.sync().await.expect("an honest proxy");
    let asked = setting.asked();
    let is = |path: &str| asked.iter().filter(|asked| asked.starts_with(path)).count();
    assert_eq!((is("/api/history"), is("/api/transactions"), is("/api/headers")), (1, 1, 1), "{asked:?}");
    assert_eq!(setting.balance(), [3 * COIN, 0, 0]);
}

#[tokio::test]
async fn addresses_that_were_handed_out_beyond_the_gap_are_searched() {
    let mut setting = Setting::new(KeyKind::Words);
    setting.wallet.reveal(Origin { keychain: Keychain::External, index: 55 }).expect("written");
    let txs = vec![gift(setting.script(55), COIN), gift(setting.script(75), 2 * COIN)];
    setting.world(|world| world.mine(txs));
    setting.sync().await.expect("an honest proxy");
    assert_eq!(setting.balance(), [3 * COIN, 0, 0]);
}

#[tokio::test]
async fn a_long_history_on_one_script_comes_in_parts() {
    let mut setting = Setting::new(KeyKind::Rsa { bits: 2048 });
    for number in 0..20 {
        let tx = gift(setting.script(0), COIN + number);
        setting.world(|world| world.mine(vec![tx]));
    }
    setting.sync().await.expect("an honest proxy");
    assert_eq!(setting.balance(), [20 * COIN + 190, 0, 0]);
}

#[tokio::test]
async fn all_wallets_of_a_folder_share_the_headers() {
    let setting = setting().await;
    let folder = folder(setting.tmp.path(), &Network::demo());
    let mut second = folder.create(&name("b"), KeyKind::Words, &password()).expect("a free name").wallet;
    // The first wallet is open and keeps the file.
    setting.asked();
    second.sync(&setting.proxy).await.expect("an honest proxy");
    let asked = setting.asked();
    assert!(!asked.iter().any(|path| path.starts_with("/api/headers")), "{asked:?}");
    assert_eq!(second.tip(), Height::new(2));
    setting.world(|world| world.blocks.truncate(2));
    assert!(matches!(second.sync(&setting.proxy).await, Err(SyncError::ProxyBehind { .. })));
}

#[tokio::test]
async fn progress_is_told() {
    let mut setting = setting().await;
    let tx = gift(setting.script(3), COIN);
    setting.world(|world| world.mine(vec![tx]));
    let told = Mutex::new(Vec::new());
    let proxies = [setting.proxy.clone()];
    setting
        .wallet
        .sync_with(&proxies, &|at| told.lock().unwrap_or_else(PoisonError::into_inner).push(at))
        .await
        .expect("an honest proxy");
    use crate::SyncProgress::{Addresses, Headers, Transactions};
    let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    let height = Height::new(3);
    assert!(told.contains(&Headers { height, target: height }), "{told:?}");
    assert!(told.contains(&Transactions { checked: 1 }), "{told:?}");
    assert!(told.iter().any(|at| matches!(at, Addresses { searched: 40.. })), "{told:?}");
}
