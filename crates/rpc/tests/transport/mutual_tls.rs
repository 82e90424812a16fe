//! Mutual TLS on loopback: who gets an answer, who gets none and learns why.

use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Certs, Server, password};
use mycoin_identity::{Identity, KeyPassword, Role, Trust};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{BlockHash, Failure as _, Txid};
use mycoin_rpc::{BlockEvent, Client, ClientError, Event, Refuser, ServeError, TransactionRemoved, bind};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use zeroize::Zeroizing;

fn refused(outcome: Result<Value, ClientError>) -> (Refuser, String) {
    match outcome {
        Err(ClientError::TlsRefused { by, reason, .. }) => (by, reason),
        other => panic!("it must be refused by TLS: {other:?}"),
    }
}

#[tokio::test]
async fn known_roles_are_answered_within_their_rights() {
    let certs = Certs::new();
    let server = Server::of(&certs).await;
    let (proxy, admin) = (certs.client(&server, Role::Proxy), certs.client(&server, Role::Admin));
    assert_eq!(proxy.call("getblockcount", Value::Null).await.expect("answered"), 42);
    assert_eq!(proxy.call_typed::<u32>("getblockcount", Value::Null).await.expect("a number"), 42);
    assert_eq!(proxy.call("getblockhash", json!({"height": 42})).await.expect("answered"), "hash of 42");
    assert_eq!(proxy.call("getblockhash", json!([42])).await.expect("answered"), "hash of 42");
    assert_eq!(admin.call("stop", Value::Null).await.expect("answered")["caller"], "admin");
    match proxy.call("stop", Value::Null).await {
        Err(ClientError::Rpc(error)) => {
            assert_eq!(error.code, -32601);
            assert!(error.message.contains("not allowed for this role"), "{error}");
        }
        other => panic!("a proxy must not stop the server: {other:?}"),
    }
    assert!(
        proxy.call("help", Value::Null).await.expect("answered").as_str().is_some_and(|text| text.contains("getblock"))
    );
}

#[tokio::test]
async fn errors_arrive_whole() {
    let certs = Certs::new();
    let server = Server::of(&certs).await;
    let client = certs.client(&server, Role::Proxy);
    match client.call("sendrawtransaction", json!(["00"])).await {
        Err(ClientError::Rpc(error)) => {
            assert_eq!((error.code, error.reject_reason()), (-26, Some("min relay fee not met")));
            assert_eq!(error.data.map(|data| data.code), Some("tx/fee-too-low".to_owned()));
        }
        other => panic!("{other:?}"),
    }
    let nothing: Result<String, _> = client.call_typed("getblockcount", Value::Null).await;
    assert!(matches!(nothing, Err(ClientError::BadAnswer { .. })));
}

#[tokio::test]
async fn a_batch_is_answered_in_order() {
    let certs = Certs::new();
    let server = Server::of(&certs).await;
    let client = certs.client(&server, Role::Proxy);
    let calls = [("getblockcount", Value::Null), ("getblockhash", json!([7])), ("getblockhash", json!([42]))];
    let answers = client.batch(&calls).await.expect("answered");
    assert_eq!(answers[0], Ok(json!(42)));
    assert_eq!(answers[1].as_ref().map_err(|error| error.code), Err(-8));
    assert_eq!(answers[2], Ok(json!("hash of 42")));
    let too_many = vec![("getblockcount", Value::Null); 101];
    assert!(matches!(client.batch(&too_many).await, Err(ClientError::Rpc(error)) if error.code == -32600));
}

#[tokio::test]
async fn strangers_are_refused_by_both_sides_and_told_why() {
    let (certs, others) = (Certs::new(), Certs::new());
    let server = Server::of(&certs).await;
    let address = server.address.to_string();
    let dial = |identity: Identity, trust: Trust, name: Option<&'static str>| {
        let client = Client::mutual_tls(&address, name, &identity, &trust).expect("a client");
        async move { client.call("getblockcount", Value::Null).await }
    };
    // A certificate of another authority: the server refuses, the client learns it.
    let (by, why) = refused(dial(others.identity(Role::Admin), certs.trust(), None).await);
    assert_eq!(by, Refuser::Server, "{why}");
    assert!(why.contains("neither pinned there nor issued"), "{why}");
    // A client that believes another authority refuses the server.
    let (by, why) = refused(dial(certs.identity(Role::Admin), others.trust(), None).await);
    assert_eq!(by, Refuser::Us, "{why}");
    // A server's certificate is not for calling.
    let (by, why) = refused(dial(certs.identity(Role::Server), certs.trust(), None).await);
    assert_eq!(by, Refuser::Server, "{why}");
    // Another name than the certificate's.
    let (by, why) = refused(dial(certs.identity(Role::Proxy), certs.trust(), Some("far.example")).await);
    assert_eq!(by, Refuser::Us);
    assert!(why.contains("far.example") && why.contains("node.example"), "{why}");
    assert_eq!(dial(certs.identity(Role::Proxy), certs.trust(), Some("node.example")).await.expect("good"), 42);
}

/// A client by hand, which takes any server.
async fn raw_call(
    server: &Server,
    chain: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    trust: &Certs,
) -> io::Result<String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority(trust)).expect("an authority");
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match chain {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).expect("a pair"),
        None => builder.with_no_client_auth(),
    };
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let body = r#"{"method":"getblockcount","id":1}"#;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    tls.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn authority(certs: &Certs) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_file(certs.folder.authority()).expect("PEM")
}

/// A certificate of the folder's authority, bent as the test wants.
fn bent(certs: &Certs, bend: impl FnOnce(&mut CertificateParams)) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    // The authority's key is encrypted: openssl opens it, as a person would.
    let key = certs.dir.path().join("certs/ca.key");
    let opened = Command::new("openssl")
        .args(["pkey", "-passin", "pass:secret", "-in"])
        .arg(key)
        .output()
        .expect("openssl is installed");
    let key = KeyPair::from_pem(&String::from_utf8_lossy(&opened.stdout)).expect("a key");
    let issuer = Issuer::from_ca_cert_der(&authority(certs), key).expect("an authority");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.distinguished_name.push(rcgen::DnType::OrganizationalUnitName, "admin");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    bend(&mut params);
    let key = KeyPair::generate().expect("random bytes");
    let certificate = params.signed_by(&key, &issuer).expect("signed").der().clone();
    (certificate, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

#[tokio::test]
async fn only_a_good_certificate_gets_a_byte_of_rpc() {
    let certs = Certs::new();
    let server = Server::of(&certs).await;
    assert!(raw_call(&server, Some(bent(&certs, |_| {})), &certs).await.expect("good").contains("42"));

    let self_signed = {
        let key = KeyPair::generate().expect("random bytes");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(rcgen::DnType::OrganizationalUnitName, "admin");
        let certificate = params.self_signed(&key).expect("signed").der().clone();
        (certificate, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    };
    let bad = [
        ("none", None, "CertificateRequired"),
        ("self-signed", Some(self_signed), "UnknownCA"),
        (
            "expired",
            Some(bent(&certs, |params| params.not_after = rcgen::date_time_ymd(2002, 3, 4))),
            "CertificateExpired",
        ),
        (
            "not yet valid",
            Some(bent(&certs, |params| params.not_before = rcgen::date_time_ymd(3000, 1, 1))),
            "CertificateExpired",
        ),
        (
            "no usage",
            Some(bent(&certs, |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])),
            "",
        ),
        ("no role", Some(bent(&certs, |params| params.distinguished_name = rcgen::DistinguishedName::new())), ""),
        (
            "role server",
            Some(bent(&certs, |params| {
                params.distinguished_name.push(rcgen::DnType::OrganizationalUnitName, "server")
            })),
            "",
        ),
    ];
    for (what, pair, alert) in bad {
        let error = raw_call(&server, pair, &certs).await.expect_err(what);
        assert!(error.to_string().contains(alert), "{what}: {error}");
    }

    let mut plain = TcpStream::connect(server.address).await.expect("it listens");
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "plain HTTP gets an alert at most");
}

/// Everything logged on this thread while the guard lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_refusal_is_one_log_line_and_many_are_counted() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let certs = Certs::new();
    let server = Server::of(&certs).await;
    let lines = || {
        let text = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
        text.lines().filter(|line| line.contains("refused 127.0.0.1:")).map(str::to_owned).collect::<Vec<_>>()
    };
    let expired = bent(&certs, |params| params.not_after = rcgen::date_time_ymd(2002, 3, 4));
    let cases =
        [(None, "it showed no certificate"), (Some(expired), "its certificate expired on 2002-03-04 00:00 UTC")];
    for (index, (pair, words)) in cases.into_iter().enumerate() {
        raw_call(&server, pair, &certs).await.expect_err("refused");
        let lines = lines();
        assert_eq!(lines.len(), index + 1, "{lines:?}");
        assert!(lines[index].contains("WARN") && lines[index].contains(words), "{lines:?}");
    }
    for _ in 0..20 {
        let mut plain = TcpStream::connect(server.address).await.expect("it listens");
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
        let _ = plain.read_to_end(&mut Vec::new()).await;
    }
    let lines = lines();
    assert!(lines.iter().any(|line| line.contains("it does not speak TLS")), "{lines:?}");
    assert!((10..=20).contains(&lines.len()), "ten lines in ten seconds: {lines:?}");
}

#[tokio::test]
async fn a_server_with_a_bad_certificate_is_not_believed() {
    let certs = Certs::new();
    let cases = [
        (bent(&certs, |params| params.not_after = rcgen::date_time_ymd(2002, 3, 4)), "expired on 2002-03-04"),
        (bent(&certs, |params| params.not_before = rcgen::date_time_ymd(3000, 1, 1)), "valid only from 3000-01-01"),
        (bent(&certs, |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]), "another use"),
    ];
    for ((certificate, key), words) in cases {
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key)
                .expect("a pair");
        let listener = bind(([127, 0, 0, 1], 0).into(), "--rpc").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(drop)
        });
        let client =
            Client::mutual_tls(&format!("localhost:{port}"), None, &certs.identity(Role::Proxy), &certs.trust());
        let (by, why) = refused(client.expect("a client").call("getblockcount", Value::Null).await);
        assert_eq!(by, Refuser::Us);
        assert!(why.contains(words), "{why}");
    }
}

#[tokio::test]
async fn pairs_made_by_openssl_pin_each_other() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for name in ["server", "client"] {
        let made = Command::new("openssl")
            .current_dir(dir.path())
            .args(["req", "-x509", "-newkey", "rsa:2048", "-days", "365", "-passout", "pass:by hand"])
            .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt"), "-subj", "/CN=Anything at all"])
            .output()
            .expect("openssl is installed");
        assert!(made.status.success());
    }
    let by_hand = KeyPassword::new(Zeroizing::new("by hand".to_owned())).expect("not empty");
    let file = |name: &str| dir.path().join(name);
    let server_id = Identity::load(&file("server.crt"), &file("server.key"), &by_hand).expect("a pair");
    let client_id = Identity::load(&file("client.crt"), &file("client.key"), &by_hand).expect("a pair");
    let pin_server = Trust::pinned(&file("server.crt"), Role::Server).expect("a certificate");
    let pin_client = Trust::pinned(&file("client.crt"), Role::Proxy).expect("a certificate");
    let server = Server::start(&server_id, &pin_client).await;
    let address = server.address.to_string();
    let client = Client::mutual_tls(&address, None, &client_id, &pin_server).expect("a client");
    assert_eq!(client.call("uptime", Value::Null).await.expect("answered")["caller"], "proxy");

    let certs = Certs::new();
    let stranger = Client::mutual_tls(&address, None, &certs.identity(Role::Admin), &pin_server).expect("a client");
    assert_eq!(refused(stranger.call("uptime", Value::Null).await).0, Refuser::Server);
    let unbelieving = Client::mutual_tls(&address, None, &client_id, &certs.trust()).expect("a client");
    assert_eq!(refused(unbelieving.call("uptime", Value::Null).await).0, Refuser::Us);
    assert!(Identity::load(&file("server.crt"), &file("server.key"), &password()).is_err());
}

fn block(height: u32) -> Event {
    Event::BlockConnected(BlockEvent { height, hash: BlockHash::all_zeros(), time: 1, transactions: 1 })
}

#[tokio::test]
async fn events_come_as_they_happen_until_the_server_stops() {
    let certs = Certs::new();
    let server = Server::of(&certs).await;
    let mut events = certs.client(&server, Role::Proxy).events().await.expect("subscribed");
    for height in 1..=3 {
        server.handler.events.send(block(height)).expect("a subscriber");
        assert_eq!(events.next().await.expect("open").expect("an event"), block(height));
    }
    server.stop.send(true).expect("it runs");
    assert!(events.next().await.is_none());
    tokio::time::timeout(Duration::from_secs(6), server.task).await.expect("it ends").expect("cleanly");
}

#[tokio::test]
async fn a_slow_subscriber_is_cut_off_and_others_are_served() {
    let certs = Certs::new();
    let server = Server::of(&certs).await;
    let client = certs.client(&server, Role::Proxy);
    let mut slow = client.events().await.expect("subscribed");
    // More than the queues and all buffers on the way hold, while nobody reads.
    let large = Event::TransactionRemoved(TransactionRemoved { txid: Txid::all_zeros(), reason: "x".repeat(10_000) });
    let mut sent = 0_u32;
    while server.handler.events.receiver_count() > 0 && sent < 40_000 {
        for _ in 0..8 {
            let _ = server.handler.events.send(large.clone());
            sent += 1;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(server.handler.events.receiver_count(), 0, "cut off");
    assert_eq!(client.call("getblockcount", Value::Null).await.expect("served"), 42);
    let mut read = 0;
    while slow.next().await.is_some() {
        read += 1;
    }
    assert!(read < sent);
}

#[tokio::test]
async fn a_call_in_progress_ends_before_the_server() {
    let certs = Certs::new();
    let server = Server::of(&certs).await;
    let client = certs.client(&server, Role::Proxy);
    let call = tokio::spawn(async move { client.call("waitfornewblock", Value::Null).await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    server.stop.send(true).expect("it runs");
    assert_eq!(call.await.expect("no panic").expect("answered"), "waited");
    server.task.await.expect("cleanly");
}

#[tokio::test]
async fn a_taken_port_and_an_absent_server_are_named() {
    let certs = Certs::new();
    let listener = bind(([127, 0, 0, 1], 0).into(), "--rpc").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let taken = bind(address, "--rpc").await.expect_err("it is taken");
    assert!(matches!(taken, ServeError::PortTaken { .. }));
    assert!(taken.to_string().contains(&address.to_string()) && taken.to_string().contains("--rpc"));
    drop(listener);
    let client = Client::mutual_tls(&address.to_string(), None, &certs.identity(Role::Proxy), &certs.trust());
    let error = client.expect("a client").call("uptime", Value::Null).await.expect_err("nobody listens");
    assert_eq!(error.code(), "rpc/unreachable");
    assert!(error.to_string().contains("refused") && error.next_step().contains("mycoin server"), "{error}");
    for bad in ["", "a b", "host/path", "user@host:1", "host:99999", "host#x"] {
        let made = Client::mutual_tls(bad, None, &certs.identity(Role::Proxy), &certs.trust());
        assert!(matches!(made, Err(ClientError::BadAddress { .. })), "{bad}");
    }
}
