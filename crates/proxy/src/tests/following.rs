//! What a wallet sees through the proxy: blocks, reorganisations, waiting transactions, events, proofs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mycoin_light::{HeaderChain, LightError, Proofs, ProxyEvent, Readiness, Tip, TxStatus, verify_inclusion};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{FeeRate, Height, Network, OutPoint, Txid};
use mycoin_testkit::keys::Key;

use super::fake::{Fake, Mood};
use super::{Outcome, any_port, eventually, running};
use crate::start::start;
use crate::state::Health;

const NOW: u32 = 1_900_000_000;

#[tokio::test]
async fn a_payment_waits_at_once_and_is_proven_when_mined() -> Outcome {
    let proxy = running(&Network::demo(), 3).await?;
    let bob = Key::witness_key_hash(7).script();
    let payment = proxy.server.payment(&bob, 7_000);
    let txid = proxy.client.broadcast(&payment).await?;
    let waiting = proxy.client.script_transactions(&bob).await?;
    assert_eq!(
        waiting.iter().map(|record| (&record.tx, record.status)).collect::<Vec<_>>(),
        [(&payment, TxStatus::Waiting)]
    );
    assert_eq!(waiting.first().and_then(|record| record.fee).map(|fee| fee.to_sat()), Some(500));
    assert!(matches!(proxy.client.merkle_proof(&txid).await, Err(LightError::NotFound { .. })));

    proxy.server.mine();
    eventually(async || matches!(proxy.client.transaction_status(&txid).await, Ok(TxStatus::Confirmed { .. }))).await;
    let records = proxy.client.script_transactions(&bob).await?;
    let [record] = records.as_slice() else { panic!("one record, not {records:?}") };
    let TxStatus::Confirmed { height, block_hash, .. } = record.status else { panic!("it is confirmed") };
    assert_eq!(height, Height::new(4));
    let header = proxy.client.header(&block_hash).await?;
    let proof = proxy.client.merkle_proof(&txid).await?;
    verify_inclusion(&record.tx, &proof, &header)?;
    let spender = proxy.client.outspend(&payment.input[0].previous_output).await?.expect("it is spent");
    assert_eq!((spender.txid, spender.input), (txid, 0));
    assert_eq!(proxy.client.outspend(&OutPoint { txid, vout: 0 }).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_reorganisation_is_followed_and_its_transactions_wait_again() -> Outcome {
    let proxy = running(&Network::demo(), 5).await?;
    let bob = Key::witness_key_hash(7).script();
    let payment = proxy.server.payment(&bob, 7_000);
    let txid = proxy.client.broadcast(&payment).await?;
    proxy.server.mine();
    eventually(async || proxy.client.tip().await.is_ok_and(|tip| tip.height == Height::new(6))).await;
    let mut headers = HeaderChain::new(&Network::demo());
    proxy.client.sync_headers(&mut headers, NOW, &|_| {}).await?;
    assert_eq!(headers.tip_height(), Height::new(6));

    proxy.server.reorganise(4, 4);
    eventually(async || proxy.client.tip().await.is_ok_and(|tip| tip.height == Height::new(8))).await;
    assert_eq!(proxy.client.transaction_status(&txid).await?, TxStatus::Waiting);
    let records = proxy.client.script_transactions(&bob).await?;
    assert_eq!(records.len(), 1);
    proxy.client.sync_headers(&mut headers, NOW, &|_| {}).await?;
    assert_eq!(headers.hash_at(Height::new(8)), Some(proxy.client.tip().await?.hash));

    proxy.server.mine();
    eventually(async || proxy.client.transaction_status(&txid).await.is_ok_and(|status| status.is_confirmed())).await;
    assert_eq!(proxy.client.transaction_status(&txid).await?.height(), Some(Height::new(9)));
    assert_eq!(proxy.client.script_transactions(&bob).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_transaction_that_others_sent_shows_within_300_ms() -> Outcome {
    let proxy = running(&Network::demo(), 3).await?;
    let bob = Key::witness_key_hash(7).script();
    let hex = mycoin_primitives::bitcoin::consensus::encode::serialize_hex(&proxy.server.payment(&bob, 7_000));
    let before = Instant::now();
    use crate::upstream::Upstream as _;
    proxy.server.call("sendrawtransaction", serde_json::json!([hex])).await.expect("the server takes it");
    eventually(async || proxy.client.script_transactions(&bob).await.is_ok_and(|records| records.len() == 1)).await;
    assert!(before.elapsed() < Duration::from_millis(300), "{:?}", before.elapsed());
    Ok(())
}

#[tokio::test]
async fn events_tell_what_can_be_asked_for_already() -> Outcome {
    let proxy = running(&Network::demo(), 3).await?;
    let mut events = proxy.client.events().await?;
    let payment = proxy.server.payment(&Key::taproot(9).script(), 7_000);
    let txid = proxy.client.broadcast(&payment).await?;
    assert_eq!(events.next().await, Some(Ok(ProxyEvent::TransactionAdded { txid })));
    proxy.server.mine();
    let Some(Ok(ProxyEvent::BlockConnected { height, hash })) = events.next().await else { panic!("a block event") };
    assert_eq!(proxy.client.tip().await?.hash, hash);
    assert_eq!(height, Height::new(4));
    proxy.proxy.shutdown().await;
    assert_eq!(events.next().await, None);
    Ok(())
}

#[tokio::test]
async fn headers_come_in_batches_and_are_all_checked() -> Outcome {
    let proxy = running(&Network::demo(), 30).await?;
    let mut headers = HeaderChain::new(&Network::demo());
    let told = std::sync::Mutex::new(Vec::new());
    let tip = proxy.client.sync_headers(&mut headers, NOW, &|at| told.lock().expect("no panic").push(at)).await?;
    assert_eq!((headers.tip(), tip.height), (tip, Height::new(30)));
    let heights: Vec<_> = told.lock().expect("no panic").iter().map(|at| at.height.to_u32()).collect();
    assert_eq!(heights, [30]);
    // 80 bytes each, none above the tip.
    for (path, count) in [("0/1", 1), ("1/5000", 30), ("30/9", 1), ("31/9", 0), ("4294967295/2", 0), ("7/0", 0)] {
        let answer = proxy.get(&format!("/api/headers/{path}")).await?;
        let length = format!("content-length: {}\r\n", 80 * count);
        assert!(answer.contains(&length), "{path}: {answer}");
    }
    for path in ["x/1", "1/x", "-1/1", "1/-1"] {
        assert_eq!(super::status_of(&proxy.get(&format!("/api/headers/{path}")).await?), "400", "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_wallet_asks_about_many_scripts_and_transactions_at_once() -> Outcome {
    let proxy = running(&Network::demo(), 30).await?;
    let (miner, bob, nobody) =
        (Key::taproot(1).script(), Key::witness_key_hash(7).script(), Key::witness_key_hash(8).script());
    let scripts = [miner.clone(), bob, nobody];
    let payment = proxy.server.payment(&scripts[1], 7_000);
    let txid = proxy.client.broadcast(&payment).await?;
    let counts = proxy.client.count_scripts(&scripts).await?;
    assert_eq!(counts.tip, proxy.client.tip().await?);
    assert_eq!(counts.scripts, [(30, vec![txid]), (0, vec![txid]), (0, vec![])]);
    let waiting = proxy.client.shown_transactions(&[txid]).await?.remove(0).expect("it waits");
    assert_eq!((waiting.record.status, waiting.proof), (TxStatus::Waiting, None));

    proxy.server.mine();
    eventually(async || proxy.client.tip().await.is_ok_and(|tip| tip.height == Height::new(31))).await;
    let counts = proxy.client.count_scripts(&scripts).await?;
    assert_eq!(counts.scripts, [(32, vec![]), (1, vec![]), (0, vec![])]);
    let lists = proxy.client.list_scripts(&scripts, None).await?.scripts;
    assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [32, 1, 0]);
    assert!(lists[0].windows(2).all(|pair| pair[0].0 >= pair[1].0), "newest first");
    let older = proxy.client.list_scripts(&[miner], Some(lists[0][9].1)).await?.scripts.remove(0);
    assert_eq!(older, lists[0][10..]);

    let mut headers = HeaderChain::new(&Network::demo());
    proxy.client.sync_headers(&mut headers, NOW, &|_| {}).await?;
    let unknown = Txid::all_zeros();
    let txids: Vec<Txid> = lists[0].iter().map(|(_, txid)| *txid).chain([unknown]).collect();
    let shown = proxy.client.shown_transactions(&txids).await?;
    assert_eq!((shown.len(), shown.last()), (33, Some(&None)));
    let mut proofs = Proofs::default();
    for (shown, (height, txid)) in shown.iter().flatten().zip(&lists[0]) {
        let block = Tip { height: *height, hash: headers.hash_at(*height).expect("below the tip") };
        let header = headers.header_at(*height).expect("below the tip");
        assert_eq!(proofs.check(&shown.record.tx, shown.proof.as_ref(), &block, &header), Ok(()));
        assert_eq!((shown.record.txid, shown.record.status.height()), (*txid, Some(*height)));
        assert_eq!(shown.record.spent[0].is_some(), !shown.record.tx.is_coinbase());
    }
    Ok(())
}

#[tokio::test]
async fn what_is_asked_at_once_has_limits() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    let hash = format!("\"{}\"", "ab".repeat(32));
    let scripts = |count: usize| format!("{{\"scripts\":[{}]}}", vec![hash.as_str(); count].join(","));
    let txids = |count: usize| format!("[{}]", vec![hash.as_str(); count].join(","));
    for (path, body, status) in [
        ("/api/scripts", scripts(1_000), "200"),
        ("/api/scripts", scripts(1_001), "400"),
        ("/api/scripts", scripts(0), "200"),
        ("/api/history", scripts(100), "200"),
        ("/api/history", scripts(101), "400"),
        ("/api/transactions", txids(100), "200"),
        ("/api/transactions", txids(101), "400"),
        ("/api/transactions", "[\"x\"]".to_owned(), "400"),
        ("/api/scripts", "{\"scripts\":[\"abc\"]}".to_owned(), "400"),
        ("/api/history", format!("{{\"scripts\":[],\"before\":{hash}}}"), "404"),
        ("/api/scripts", "[]".to_owned(), "400"),
    ] {
        let answer = proxy.post(path, "application/json", &body).await?;
        assert_eq!(super::status_of(&answer), status, "{path} {answer}");
    }
    // A form of a foreign site cannot ask.
    assert_eq!(super::status_of(&proxy.post("/api/scripts", "text/plain", &scripts(1)).await?), "415");
    // 1,000 scripts cost as much as 20 requests.
    let mut refused = false;
    for _ in 0..20 {
        refused |= super::status_of(&proxy.post("/api/scripts", "application/json", &scripts(1_000)).await?) == "429";
    }
    assert!(refused, "20,000 scripts in one second");
    Ok(())
}

#[tokio::test]
async fn a_long_history_comes_in_pages() -> Outcome {
    let proxy = running(&Network::demo(), 60).await?;
    let miner = Key::taproot(1).script();
    let records = proxy.client.script_transactions(&miner).await?;
    let heights: Vec<_> = records.iter().filter_map(|record| record.status.height()).map(Height::to_u32).collect();
    assert_eq!(heights, (1..=60).rev().collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn a_proxy_of_another_coin_is_noticed_at_the_first_question() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    let url = proxy.client.url().to_owned();
    let client = mycoin_light::ProxyClient::new(&url, &Network::regtest())?;
    assert!(matches!(client.tip().await, Err(LightError::WrongNetwork { .. })));
    Ok(())
}

#[tokio::test]
async fn a_base_server_of_another_coin_is_not_followed() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = Fake::new(&Network::regtest(), 1);
    let proxy = start(Network::demo(), &dir.path().join("coin"), any_port(), server as _).await?;
    let client = mycoin_light::ProxyClient::new(&format!("http://{}", proxy.local_addr()), &Network::demo())?;
    eventually(async || client.status().await.is_ok_and(|status| status.readiness == Readiness::NotReady)).await;
    assert_eq!(client.tip().await?.height, Height::GENESIS);
    Ok(())
}

#[tokio::test]
async fn a_base_server_that_is_away_is_said_in_plain_words_and_found_again() -> Outcome {
    let proxy = running(&Network::demo(), 2).await?;
    assert_eq!(proxy.client.status().await?.readiness, Readiness::Ready);
    for mood in [Mood::Away, Mood::Hung] {
        proxy.server.set_mood(mood);
        let before = Instant::now();
        let answer = proxy.get("/api/mining").await?;
        assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
        assert!(answer.starts_with("HTTP/1.1 502") || answer.starts_with("HTTP/1.1 504"), "{answer}");
        assert!(!answer.contains("10.1.2.3"), "{answer}");
    }
    proxy.server.set_mood(Mood::Away);
    proxy.server.mine();
    eventually(async || proxy.get("/health").await.is_ok_and(|answer| answer.contains("server-away"))).await;
    let health = proxy.get("/health").await?;
    assert!(health.starts_with("HTTP/1.1 503") && health.contains("cannot reach its base server."), "{health}");
    // What the index holds is still answered.
    assert_eq!(proxy.client.tip().await?.height, Height::new(2));
    proxy.server.set_mood(Mood::Well);
    eventually(async || proxy.get("/health").await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))).await;
    assert_eq!(proxy.client.tip().await?.height, Height::new(3));
    Ok(())
}

#[tokio::test]
async fn it_goes_on_where_it_stopped() -> Outcome {
    let proxy = running(&Network::demo(), 4).await?;
    let server = Arc::clone(&proxy.server);
    proxy.proxy.shutdown().await;
    server.set_mood(Mood::Away);
    let again = start(Network::demo(), &proxy.dir.path().join("coin"), any_port(), server as _).await?;
    let client = mycoin_light::ProxyClient::new(&format!("http://{}", again.local_addr()), &Network::demo())?;
    assert_eq!(client.tip().await?.height, Height::new(4));
    Ok(())
}

/// Bends the middle of every file of the index.
fn bend(folder: &std::path::Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            bend(&entry.path())?;
        } else {
            let mut bytes = std::fs::read(entry.path())?;
            let middle = bytes.len() / 2;
            bytes.iter_mut().skip(middle).take(8).for_each(|byte| *byte ^= 0x55);
            std::fs::write(entry.path(), bytes)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_damaged_index_is_made_anew_without_anybodys_help() -> Outcome {
    let proxy = running(&Network::demo(), 40).await?;
    let server = Arc::clone(&proxy.server);
    proxy.proxy.shutdown().await;
    let folder = proxy.dir.path().join("coin");
    bend(&folder.join("index"))?;
    let again = start(Network::demo(), &folder, any_port(), server as _).await?;
    tokio::time::timeout(Duration::from_secs(10), again.caught_up()).await?;
    let client = mycoin_light::ProxyClient::new(&format!("http://{}", again.local_addr()), &Network::demo())?;
    assert_eq!(client.tip().await?.height, Height::new(40));
    assert_eq!(client.script_transactions(&Key::taproot(1).script()).await?.len(), 40);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_request_meets_is_mended_while_it_runs() -> Outcome {
    let (dir, server) = (tempfile::tempdir()?, Fake::new(&Network::demo(), 30));
    let folder = dir.path().join("coin");
    mycoin_files::ensure_private_dir(&folder)?;
    let index = mycoin_index::Index::open(&folder.join("index"), &Network::demo())?;
    let upstream = Arc::clone(&server) as Arc<dyn crate::upstream::Upstream>;
    let (_running, stopping) = tokio::sync::watch::channel(false);
    let state = Arc::new(crate::state::State::new(Network::demo(), index, upstream, stopping)?);
    let mut health = state.health.subscribe();
    let mut height = state.height.subscribe();
    let following = tokio::spawn(crate::follower::run(Arc::clone(&state)));
    health.wait_for(|health| *health == Health::Ready).await?;
    height.mark_unchanged();
    let damage = || mycoin_index::IndexError::Damaged { table: "history" };
    let answer = state.view(move |_| Err::<(), _>(damage().into())).await;
    assert_eq!(answer.map_err(|error| error.code), Err("proxy/internal".to_owned()));
    // It goes through genesis and comes back.
    tokio::time::timeout(Duration::from_secs(5), height.changed()).await??;
    tokio::time::timeout(Duration::from_secs(5), height.wait_for(|height| *height == Height::new(30))).await??;
    eventually(async || *state.health.borrow() == Health::Ready).await;
    // A second time within the hour it stays as it is: this disk bends what it writes.
    height.mark_unchanged();
    let _ = state.view(move |_| Err::<(), _>(damage().into())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!height.has_changed()?, "it was made anew once only");
    following.abort();
    Ok(())
}

#[tokio::test]
async fn a_chain_of_several_batches_is_taken_in_and_a_shorter_one_followed() -> Outcome {
    let proxy = running(&Network::demo(), 230).await?;
    assert_eq!(proxy.client.tip().await?.height, Height::new(230));
    proxy.server.reorganise(120, 105);
    eventually(async || proxy.client.tip().await.is_ok_and(|tip| tip.height == Height::new(225))).await;
    let tip = proxy.server.inner().chain.tip().block_hash();
    assert_eq!(tip, proxy.client.tip().await?.hash);
    Ok(())
}

#[tokio::test]
async fn fee_rates_and_the_miner_come_through() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    let rates = proxy.client.fee_estimates().await?;
    assert_eq!(rates.get(&6), Some(&FeeRate::from_sat_per_vb(2)));
    let mining = proxy.client.mining().await?;
    assert_eq!((mining.needed, mining.waiting), (Some(2), 1));
    assert_eq!(proxy.client.status().await?.peers, Some(1));
    Ok(())
}
