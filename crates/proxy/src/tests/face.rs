//! The public face: limits at, below and above their value, refusals, the prototype's calls, nothing that a browser would run.

use std::time::Duration;

use mycoin_light::LightError;
use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::{Failure as _, Network, address_of};
use mycoin_testkit::keys::Key;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::fake::Mood;
use super::{Outcome, any_port, eventually, running, status_of};
use crate::routes::BODY_LIMIT;
use crate::serve::CONNECTIONS_OF_ONE;
use crate::start::start;

fn address(number: u8) -> String {
    address_of(&Key::taproot(number).script(), &Network::demo()).expect("a taproot script has an address")
}

#[tokio::test]
async fn the_faucet_pays_three_times_a_minute() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    for height in 2..=4 {
        let gift = proxy.client.faucet(&address(3)).await?;
        assert_eq!(gift.height.to_u32(), height);
        // Who asks next sees the block.
        assert_eq!(proxy.client.tip().await?.hash, gift.block_hash);
    }
    assert!(matches!(proxy.client.faucet(&address(3)).await, Err(LightError::TooManyRequests { .. })));
    assert!(proxy.client.faucet(&address(4)).await.is_ok());
    let refused = proxy.client.faucet("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4").await;
    assert!(matches!(&refused, Err(LightError::Refused { code, .. }) if code.starts_with("address/")), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_network_without_faucet_says_so() -> Outcome {
    let proxy = running(&Network::mycoin(), 0).await?;
    let refused = proxy.client.faucet("x").await.expect_err("the real network has no faucet");
    assert_eq!(refused.code(), "faucet/off");
    Ok(())
}

#[tokio::test]
async fn whoever_joins_gets_the_spec_and_the_servers_port() -> Outcome {
    let proxy = running(&Network::demo(), 0).await?;
    let offer = mycoin_light::offered_network(proxy.client.url()).await?;
    assert_eq!((offer.network, offer.peer.as_deref()), (Network::demo(), Some("127.0.0.1:7799")));
    // The coin is what it is while the base server is away.
    proxy.server.set_mood(Mood::Away);
    let offer = mycoin_light::offered_network(proxy.client.url()).await?;
    assert_eq!((offer.network.spec_hash(), offer.peer), (Network::demo().spec_hash(), None));
    let answer = proxy.get("/network").await?;
    assert!(answer.contains(&Network::demo().spec_hash().to_string()), "{answer}");
    Ok(())
}

#[tokio::test]
async fn refusals_of_the_mempool_reach_the_wallet_in_our_words() -> Outcome {
    let proxy = running(&Network::demo(), 3).await?;
    let payment = proxy.server.payment(&Key::taproot(5).script(), 1_000);
    proxy.client.broadcast(&payment).await?;
    let refused = proxy.client.broadcast(&payment).await.expect_err("it waits already");
    assert_eq!(refused.code(), "tx/already-sent");
    let answer = proxy.post("/api/tx", "text/plain", &serialize_hex(&payment)).await?;
    assert_eq!(status_of(&answer), "400");
    assert!(answer.contains(r#""reject_reason":"txn-already-in-mempool""#), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_body_may_have_one_mebibyte() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    for (length, status) in [(BODY_LIMIT - 1, "400"), (BODY_LIMIT, "400"), (BODY_LIMIT + 1, "413")] {
        let answer = proxy.post("/api/tx", "text/plain", &"a".repeat(length)).await?;
        assert_eq!(status_of(&answer), status, "{length}");
    }
    // Without an announced length it is counted as it comes.
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", BODY_LIMIT + 1, "a".repeat(BODY_LIMIT + 1));
    let head = "POST /api/tx HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(status_of(&proxy.raw(format!("{head}{chunk}").as_bytes()).await?), "413");
    Ok(())
}

#[tokio::test]
async fn a_head_may_have_64_headers() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    for (count, status) in [(63, "200"), (64, "200"), (65, "431")] {
        let headers: String = (2..count).map(|n| format!("x-{n}: 1\r\n")).collect();
        let request = format!("GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        assert_eq!(status_of(&proxy.raw(request.as_bytes()).await?), status, "{count}");
    }
    Ok(())
}

#[tokio::test]
async fn two_lengths_of_one_request_are_refused() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    for lengths in ["content-length: 1\r\ncontent-length: 2", "content-length: +1", "content-length: 1, 2"] {
        let request = format!("POST /api/tx HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lengths}\r\n\r\naa");
        assert_eq!(status_of(&proxy.raw(request.as_bytes()).await?), "400", "{lengths}");
    }
    Ok(())
}

#[tokio::test]
async fn more_than_the_burst_is_refused_with_a_time_to_wait() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    let mut refused = None;
    for _ in 0..400 {
        let answer = proxy.get("/health").await?;
        if status_of(&answer) == "429" {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("400 requests at once are too many");
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_wallet_that_asks_too_fast_waits_and_goes_on() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    for _ in 0..260 {
        proxy.client.tip().await?;
    }
    Ok(())
}

#[tokio::test]
async fn one_client_may_hold_so_many_connections_and_gets_the_next_when_one_ends() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_OF_ONE {
        held.push(TcpStream::connect(proxy.proxy.local_addr()).await?);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut answer = String::new();
    // Its answer may be cut short, as its request is never read.
    let _ = TcpStream::connect(proxy.proxy.local_addr()).await?.read_to_string(&mut answer).await;
    assert_eq!(status_of(&answer), "503", "{answer}");
    held.clear();
    eventually(async || proxy.get("/health").await.is_ok_and(|answer| status_of(&answer) == "200")).await;
    Ok(())
}

#[tokio::test]
async fn json_must_be_announced_as_json() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    for path in ["/api/faucet", "/transaction", "/connect"] {
        for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
            let answer = proxy.post(path, kind, "{}").await?;
            assert_eq!(status_of(&answer), "415", "{path} {kind}");
        }
        let deep = "[".repeat(10_000);
        for body in ["", "{", "[]", "{\"address\":1}", "null", &deep] {
            assert_eq!(status_of(&proxy.post(path, "application/json", body).await?), "400", "{path} {body:.20}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_prototypes_calls() -> Outcome {
    let proxy = running(&Network::demo(), 3).await?;
    let hex = serialize_hex(&proxy.server.payment(&Key::taproot(5).script(), 1_000));
    let body = format!(r#"{{"type":"transaction","transaction":"{hex}"}}"#);
    let answer = proxy.post("/transaction", "application/json", &body).await?;
    assert!(
        answer.starts_with("HTTP/1.1 201") && answer.contains("\"success\"") && answer.contains("\"txid\""),
        "{answer}"
    );
    let again = proxy.post("/transaction", "application/json", &body).await?;
    assert!(again.starts_with("HTTP/1.1 400") && again.contains("\"message\":"), "{again}");

    for (body, status) in [
        (r#"{"host":"127.0.0.1:7602","network":"demo"}"#, "201"),
        (r#"{"host":"127.0.0.1:7602","network":"mycoin"}"#, "400"),
        (r#"{"host":"127.0.0.1:7602"}"#, "400"),
        (r#"{"host":"http://127.0.0.1:7602/","network":"demo"}"#, "400"),
    ] {
        assert_eq!(status_of(&proxy.post("/connect", "application/json", body).await?), status, "{body}");
    }
    let status = proxy.get("/status").await?;
    assert!(status.contains(r#""network":"demo""#) && status.contains(r#""status":"ok""#), "{status}");
    let nodes = proxy.get("/nodes").await?;
    assert!(nodes.contains("10.0.0.1:7602") && !nodes.contains("\\u001b"), "{nodes}");
    Ok(())
}

#[tokio::test]
async fn nothing_comes_back_that_a_browser_would_run() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    const SCRIPT: &str = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let paths = [
        format!("/{SCRIPT}"),
        format!("/api/{SCRIPT}"),
        format!("/api/tx/{SCRIPT}"),
        format!("/api/address/{SCRIPT}"),
        format!("/api/scripthash/{SCRIPT}/txs"),
        format!("/api/block/{SCRIPT}"),
        format!("/api/block-height/{SCRIPT}"),
        "/api/block-height/-1".to_owned(),
        "/api/block-height/99999999999999999999".to_owned(),
        "/api/tx/%ff%fe".to_owned(),
        "/..%2f..%2fetc/passwd".to_owned(),
        "/nodes".to_owned(),
        "/status".to_owned(),
        "/api/blocks/tip/hash".to_owned(),
    ];
    for path in &paths {
        let answer = proxy.get(path).await?;
        let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains("x-content-type-options: nosniff"), "{path}: {head}");
        assert!(head.contains("content-security-policy: default-src 'none'"), "{path}: {head}");
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        assert!(kind.starts_with("application/json") || kind.starts_with("text/plain"), "{path}: {kind}");
        assert!(!status_of(&answer).starts_with('5'), "{path}: {head}");
    }
    let answer = proxy.post("/api/tx", "text/plain", "<script>alert(1)</script>").await?;
    assert!(status_of(&answer) == "400" && !answer.contains("<script>"), "{answer}");
    assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    assert!(proxy.get("/api/mempool").await?.contains("access-control-allow-origin: *"));
    Ok(())
}

#[tokio::test]
async fn esploras_fields_are_there() -> Outcome {
    let proxy = running(&Network::demo(), 3).await?;
    let payment = proxy.server.payment(&Key::taproot(5).script(), 1_000);
    let txid = proxy.client.broadcast(&payment).await?;
    let body = |answer: String| answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    let tx: serde_json::Value = serde_json::from_str(&body(proxy.get(&format!("/tx/{txid}")).await?))?;
    for field in ["txid", "version", "locktime", "vin", "vout", "size", "weight", "fee", "status"] {
        assert!(tx.get(field).is_some(), "{field}");
    }
    for field in ["scriptpubkey", "scriptpubkey_asm", "scriptpubkey_type", "scriptpubkey_address", "value"] {
        assert!(tx.pointer(&format!("/vin/0/prevout/{field}")).is_some(), "{field}");
    }
    assert_eq!(tx.pointer("/vout/0/scriptpubkey_type"), Some(&"v1_p2tr".into()));
    let stats = format!("/api/address/{}", address(5));
    let stats: serde_json::Value = serde_json::from_str(&body(proxy.get(&stats).await?))?;
    assert_eq!(stats.pointer("/mempool_stats/funded_txo_sum"), Some(&1_000.into()));
    assert_eq!(stats.pointer("/chain_stats/tx_count"), Some(&0.into()));
    proxy.server.mine();
    eventually(async || proxy.client.transaction_status(&txid).await.is_ok_and(|status| status.is_confirmed())).await;
    let coins = body(proxy.get(&format!("/address/{}/utxo", address(5))).await?);
    let coins: serde_json::Value = serde_json::from_str(&coins)?;
    assert_eq!(coins.pointer("/0/value"), Some(&1_000.into()));
    assert_eq!(coins.pointer("/0/status/confirmed"), Some(&true.into()));
    let blocks: serde_json::Value = serde_json::from_str(&body(proxy.get("/api/blocks").await?))?;
    assert_eq!(blocks.as_array().map(Vec::len), Some(5));
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() -> Outcome {
    let proxy = running(&Network::demo(), 1).await?;
    let dir = tempfile::tempdir()?;
    let taken = proxy.proxy.local_addr();
    let error = start(Network::demo(), &dir.path().join("coin"), taken, std::sync::Arc::clone(&proxy.server) as _)
        .await
        .expect_err("the port is taken");
    let sentence = error.to_string();
    assert!(sentence.contains(&taken.to_string()) && sentence.contains("--listen"), "{sentence}");
    // Another port, but the folder of a proxy that runs.
    let folder = proxy.dir.path().join("coin");
    let error = start(Network::demo(), &folder, any_port(), std::sync::Arc::clone(&proxy.server) as _).await;
    assert_eq!(error.expect_err("the index is in use").code(), "storage/in-use");
    Ok(())
}
