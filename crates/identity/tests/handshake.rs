//! Mutual TLS in memory: who is let in, who is not, and in which words; with certificates made by the openssl command too.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mycoin_identity::{
    CertFolder, Identity, IdentityError, KeyPassword, Role, ServerTls, TlsFault, Trust, client_tls, explain, server_tls,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConnection};
use zeroize::Zeroizing;

type Outcome = Result<Option<Role>, TlsFault>;

fn password(text: &str) -> KeyPassword {
    KeyPassword::new(Zeroizing::new(text.to_owned())).expect("not empty")
}

/// Lets both sides talk until they are done. The server's refusal comes before the client's.
fn handshake(server: &ServerTls, client: ClientConfig, dialled: &'static str) -> Outcome {
    let name = ServerName::try_from(dialled).expect("a name");
    let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let mut server_side = ServerConnection::new(server.config()).expect("a server");
    let mut refused = None;
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory");
        }
        let mut reader = wire.as_slice();
        while !reader.is_empty() {
            server_side.read_tls(&mut reader).expect("memory");
            if let Err(error) = server_side.process_new_packets() {
                return Err(refused.unwrap_or_else(|| explain(&error)));
            }
        }
        wire.clear();
        while server_side.wants_write() {
            server_side.write_tls(&mut wire).expect("memory");
        }
        let mut reader = wire.as_slice();
        while !reader.is_empty() {
            client.read_tls(&mut reader).expect("memory");
            if let Err(error) = client.process_new_packets() {
                refused = Some(explain(&error));
                break;
            }
        }
    }
    match refused {
        Some(fault) => Err(fault),
        None => Ok(server_side.peer_certificates().and_then(|chain| server.role_of(chain.first()?))),
    }
}

/// `openssl req -x509`, as people type it.
fn openssl_pair(dir: &Path, name: &str, common_name: &str, days: &str) {
    let status = Command::new("openssl")
        .current_dir(dir)
        .args(["req", "-x509", "-newkey", "rsa:4096", "-passout", "pass:by hand", "-days", days])
        .args([
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.crt"),
            "-subj",
            &format!("/CN={common_name}"),
        ])
        .output()
        .expect("openssl is installed");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
}

fn load(dir: &Path, name: &str) -> Result<Identity, IdentityError> {
    Identity::load(&dir.join(format!("{name}.crt")), &dir.join(format!("{name}.key")), &password("by hand"))
}

#[test]
fn roles_of_our_authority_come_in() -> Result<(), IdentityError> {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = CertFolder::at(tmp.path());
    let secret = password("secret");
    folder.ensure(&secret, &["node.example".to_owned()])?;
    let trust = Trust::authority(&folder.authority())?;
    let server = server_tls(&folder.load(Role::Server, &secret)?, &trust)?;
    for role in [Role::Proxy, Role::Admin] {
        for dialled in ["localhost", "127.0.0.1", "::1", "node.example"] {
            let client = client_tls(&folder.load(role, &secret)?, &trust, None)?;
            assert_eq!(handshake(&server, client, dialled), Ok(Some(role)));
        }
    }
    let client = client_tls(&folder.load(Role::Proxy, &secret)?, &trust, None)?;
    let fault = handshake(&server, client, "far.example");
    assert!(matches!(&fault, Err(TlsFault::WeRefuse(why)) if why.contains("far.example")), "{fault:?}");
    // --server-name stands in for the dialled host.
    let client = client_tls(&folder.load(Role::Proxy, &secret)?, &trust, Some("node.example"))?;
    assert_eq!(handshake(&server, client, "far.example"), Ok(Some(Role::Proxy)));
    // A server's certificate is not for calling.
    let client = client_tls(&folder.load(Role::Server, &secret)?, &trust, None)?;
    let fault = handshake(&server, client, "localhost");
    assert_eq!(fault, Err(TlsFault::WeRefuse("its certificate is made for another use".to_owned())));
    Ok(())
}

#[test]
fn another_authority_is_refused_by_both_sides() -> Result<(), IdentityError> {
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (ours, theirs) = (CertFolder::at(one.path()), CertFolder::at(two.path()));
    let secret = password("secret");
    ours.ensure(&secret, &[])?;
    theirs.ensure(&secret, &[])?;
    let (our_trust, their_trust) = (Trust::authority(&ours.authority())?, Trust::authority(&theirs.authority())?);
    let server = server_tls(&ours.load(Role::Server, &secret)?, &our_trust)?;
    let unknown = "its certificate is neither pinned here nor issued by the authority that is trusted here";
    for trust in [&our_trust, &their_trust] {
        let client = client_tls(&theirs.load(Role::Admin, &secret)?, trust, None)?;
        assert_eq!(handshake(&server, client, "localhost"), Err(TlsFault::WeRefuse(unknown.to_owned())));
    }
    Ok(())
}

#[test]
fn pairs_made_by_openssl_pin_each_other() -> Result<(), IdentityError> {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let dir = tmp.path();
    openssl_pair(dir, "server", "My Very Own Server", "365");
    openssl_pair(dir, "client", "whoever", "365");
    let (server_id, client_id) = (load(dir, "server")?, load(dir, "client")?);
    let pin_client = Trust::pinned(&dir.join("client.crt"), Role::Proxy)?;
    let pin_server = Trust::pinned(&dir.join("server.crt"), Role::Server)?;
    let server = server_tls(&server_id, &pin_client)?;

    let come_in = |name: Option<&str>| -> Result<Outcome, IdentityError> {
        Ok(handshake(&server, client_tls(&client_id, &pin_server, name)?, "10.1.2.3"))
    };
    assert_eq!(come_in(None)?, Ok(Some(Role::Proxy)));
    assert!(matches!(come_in(Some("other.example"))?, Err(TlsFault::WeRefuse(why)) if why.contains("other.example")));

    // Neither takes anybody else, not even with the same key form or one's own certificate.
    let stranger = handshake(&server, client_tls(&server_id, &pin_server, None)?, "localhost");
    assert!(matches!(stranger, Err(TlsFault::WeRefuse(_))), "{stranger:?}");
    let wrong_pin = handshake(&server, client_tls(&client_id, &pin_client, None)?, "localhost");
    assert!(matches!(wrong_pin, Err(TlsFault::WeRefuse(_))), "{wrong_pin:?}");

    // Pins and an authority stand side by side.
    let folder = CertFolder::at(dir);
    let secret = password("secret");
    folder.ensure(&secret, &[])?;
    let both = server_tls(&server_id, &pin_client.clone().and(Trust::authority(&folder.authority())?))?;
    let admin = client_tls(&folder.load(Role::Admin, &secret)?, &pin_server, None)?;
    assert_eq!(handshake(&both, admin, "localhost"), Ok(Some(Role::Admin)));
    assert_eq!(handshake(&both, client_tls(&client_id, &pin_server, None)?, "localhost"), Ok(Some(Role::Proxy)));

    let wrong = Identity::load(&dir.join("server.crt"), &dir.join("server.key"), &password("by Hand"));
    assert!(matches!(wrong, Err(IdentityError::WrongPassword { .. })));
    Ok(())
}

#[test]
fn keys_encrypted_in_every_form_of_openssl_open() {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let dir = tmp.path();
    openssl_pair(dir, "a", "localhost", "365");
    load(dir, "a").expect("what this machine's openssl writes opens");
    let forms: [(&str, &[&str]); 5] = [
        ("des-ede3-cbc", &["-v2", "des-ede3-cbc", "-v2prf", "hmacWithSHA256"]),
        ("aes-128-cbc", &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA256"]),
        ("aes-256-cbc", &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256"]),
        ("sha512", &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"]),
        ("scrypt", &["-scrypt"]),
    ];
    for (name, form) in forms {
        let made = Command::new("openssl")
            .current_dir(dir)
            .args(["pkcs8", "-topk8", "-in", "a.key", "-passin", "pass:by hand", "-passout", "pass:new"])
            .args(["-out", "b.key"])
            .args(form)
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
        let open = |text| Identity::load(&dir.join("a.crt"), &dir.join("b.key"), &password(text));
        assert!(open("new").is_ok(), "{name}");
        assert!(matches!(open("old"), Err(IdentityError::WrongPassword { .. })), "{name}");
    }
}

#[test]
fn our_keys_open_with_openssl() -> Result<(), IdentityError> {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = CertFolder::at(tmp.path());
    folder.ensure(&password("secret"), &[])?;
    let paths = folder.paths(Role::Server);
    let run = |args: &[&str]| {
        let output = Command::new("openssl").args(args).output().expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (key, certificate) = (paths.key.display().to_string(), paths.certificate.display().to_string());
    let authority = folder.authority().display().to_string();
    assert!(run(&["pkey", "-in", &key, "-passin", "pass:secret", "-noout", "-text"]).contains("P-256"));
    let text = run(&["x509", "-in", &certificate, "-noout", "-text"]);
    assert!(text.contains("TLS Web Server Authentication") && text.contains("OU = server"), "{text}");
    let text = run(&["x509", "-in", &authority, "-noout", "-text"]);
    assert!(text.contains("CA:TRUE, pathlen:0") && text.contains("Certificate Sign"), "{text}");
    run(&["verify", "-purpose", "sslserver", "-CAfile", &authority, &certificate]);
    let admin = folder.paths(Role::Admin).certificate.display().to_string();
    run(&["verify", "-purpose", "sslclient", "-CAfile", &authority, &admin]);
    Ok(())
}

#[test]
fn an_expired_certificate_is_named_with_its_date() {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let key = rcgen::KeyPair::generate().expect("random bytes");
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 3, 4);
    let path = tmp.path().join("old.crt");
    std::fs::write(&path, params.self_signed(&key).expect("signed").pem()).expect("ours");
    let Err(error) = Trust::pinned(&path, Role::Proxy) else { panic!("it expired in 2002") };
    assert_eq!(error.code(), "identity/expired");
    let text = error.to_string();
    assert!(text.contains("old.crt") && text.contains("2002-03-04 00:00 UTC"), "{text}");
}

#[test]
fn nobody_to_trust_is_an_error() -> Result<(), IdentityError> {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = CertFolder::at(tmp.path());
    folder.ensure(&password("secret"), &[])?;
    let server = folder.load(Role::Server, &password("secret"))?;
    assert!(matches!(server_tls(&server, &Trust::default()), Err(IdentityError::NoTrust)));
    assert!(matches!(client_tls(&server, &Trust::default(), None), Err(IdentityError::NoTrust)));
    Ok(())
}
