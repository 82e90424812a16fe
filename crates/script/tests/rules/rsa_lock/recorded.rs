//! The vectors' keys, and the signatures by them.
//!
//! PSS signatures are random and the private keys are PEM files beside `data/rsa_lock_recorded.txt`, so that file records
//! every public key and signature. An update makes the missing ones, with the openssl command and the wallet's library.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use mycoin_primitives::bitcoin::hex::{DisplayHex, FromHex};

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// As the RSA lock wants it, by the wallet's library.
    Pss,
    /// The same, but so small that adding the modulus leaves its size as it is.
    SmallPss,
    /// By the openssl command with these options, under this name in the record.
    Openssl(&'static str, &'static [&'static str]),
}

const fn by_openssl(name: &'static str, options: &'static [&'static str]) -> Scheme {
    Scheme::Openssl(name, options)
}

/// As the RSA lock wants it, by openssl, which signs with keys that the wallet's library refuses.
pub(super) const PSS_BY_OPENSSL: Scheme =
    by_openssl("pss-openssl", &["-sha256", "pss", "rsa_pss_saltlen:32", "rsa_mgf1_md:sha256"]);
pub(super) const PKCS1: Scheme = by_openssl("pkcs1", &["-sha256", "pkcs1"]);
pub(super) const SALT_0: Scheme = by_openssl("salt-0", &["-sha256", "pss", "rsa_pss_saltlen:0", "rsa_mgf1_md:sha256"]);
pub(super) const SALT_20: Scheme =
    by_openssl("salt-20", &["-sha256", "pss", "rsa_pss_saltlen:20", "rsa_mgf1_md:sha256"]);
pub(super) const SALT_MAX: Scheme =
    by_openssl("salt-max", &["-sha256", "pss", "rsa_pss_saltlen:max", "rsa_mgf1_md:sha256"]);
pub(super) const MGF1_SHA1: Scheme =
    by_openssl("mgf1-sha1", &["-sha256", "pss", "rsa_pss_saltlen:32", "rsa_mgf1_md:sha1"]);
pub(super) const SHA512: Scheme = by_openssl("sha512", &["-sha512", "pss", "rsa_pss_saltlen:32", "rsa_mgf1_md:sha512"]);
pub(super) const SHA512_SALT_64: Scheme =
    by_openssl("sha512-salt-64", &["-sha512", "pss", "rsa_pss_saltlen:64", "rsa_mgf1_md:sha512"]);

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Pss => "pss",
            Self::SmallPss => "pss-small",
            Self::Openssl(name, _) => name,
        }
    }
}

/// What was signed, by which key and how.
type Signed = (String, String, String);

/// The record, and what an update adds to it.
pub(super) struct Recorded {
    update: bool,
    old: (BTreeMap<String, String>, BTreeMap<Signed, String>),
    used: (BTreeMap<String, String>, BTreeMap<Signed, String>),
}

const STALE: &str = "run UPDATE_VECTORS=1 cargo test -p mycoin-script rsa_lock";

pub(super) fn data(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rules/data").join(file)
}

fn pem(key: &str) -> PathBuf {
    data(&format!("rsa_lock_test_only_{key}.pem"))
}

impl Recorded {
    pub(super) const FILE: &str = "rsa_lock_recorded.txt";

    /// Reads the record; `update` allows to add to it.
    pub(super) fn read(update: bool) -> Self {
        let mut old = (BTreeMap::new(), BTreeMap::new());
        let text = std::fs::read_to_string(data(Self::FILE)).unwrap_or_default();
        for line in text.lines() {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            match words.as_slice() {
                [kind, key, spki] if kind == "key" => drop(old.0.insert(key.clone(), spki.clone())),
                [kind, key, scheme, message, signature] if kind == "signature" => {
                    old.1.insert((key.clone(), scheme.clone(), message.clone()), signature.clone());
                }
                _ => panic!("no such line in the record: {line}"),
            }
        }
        Self { update, old, used: Default::default() }
    }

    /// The record with what was asked of it, and nothing else.
    pub(super) fn text(&self) -> String {
        let keys = self.used.0.iter().map(|(key, spki)| format!("key {key} {spki}\n"));
        let signatures = self.used.1.iter();
        let signatures = signatures
            .map(|((key, scheme, message), signature)| format!("signature {key} {scheme} {message} {signature}\n"));
        keys.chain(signatures).collect()
    }

    /// The DER SubjectPublicKeyInfo of the key in `data/rsa_lock_test_only_<key>.pem`.
    pub(super) fn spki(&mut self, key: &str) -> Vec<u8> {
        let spki = self.old.0.get(key).cloned().unwrap_or_else(|| {
            assert!(self.update, "the key {key} is not recorded: {STALE}");
            openssl(&["pkey", "-in", path(&pem(key)), "-pubout", "-outform", "DER"]).to_lower_hex_string()
        });
        self.used.0.insert(key.to_owned(), spki.clone());
        Vec::from_hex(&spki).expect("the record is hex")
    }

    /// The signature of `message` by the key.
    pub(super) fn sign(&mut self, key: &str, scheme: Scheme, message: &[u8]) -> Vec<u8> {
        let signed = (key.to_owned(), scheme.name().to_owned(), message.to_lower_hex_string());
        let signature = self.old.1.get(&signed).cloned().unwrap_or_else(|| {
            assert!(self.update, "a signature is not recorded: {STALE}");
            let made = match scheme {
                Scheme::Pss => sign(key, message),
                Scheme::SmallPss => self.sign_small(key, message),
                Scheme::Openssl(_, options) => sign_with_openssl(key, options, message),
            };
            made.to_lower_hex_string()
        });
        self.used.1.insert(signed, signature.clone());
        Vec::from_hex(&signature).expect("the record is hex")
    }

    fn sign_small(&mut self, key: &str, message: &[u8]) -> Vec<u8> {
        let spki = self.spki(key);
        std::iter::repeat_with(|| sign(key, message))
            .find(|signature| add(signature, modulus(&spki)).is_some())
            .expect("the search has no end")
    }
}

/// The modulus in a key of 2048 bits.
pub(super) fn modulus(spki: &[u8]) -> &[u8] {
    &spki[33..33 + 256]
}

/// The sum of two numbers of the same size, most significant byte first; `None` when it is longer than they are.
pub(super) fn add(left: &[u8], right: &[u8]) -> Option<Vec<u8>> {
    let mut carry = 0;
    let mut sum: Vec<u8> = (left.iter().rev().zip(right.iter().rev()))
        .map(|(left, right)| {
            let [high, low] = (u16::from(*left) + u16::from(*right) + carry).to_be_bytes();
            carry = u16::from(high);
            low
        })
        .collect();
    sum.reverse();
    (carry == 0).then_some(sum)
}

fn sign(key: &str, message: &[u8]) -> Vec<u8> {
    let pkcs8 = openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", path(&pem(key)), "-outform", "DER"]);
    let pair = KeyPair::from_pkcs8(&pkcs8).expect("the library takes keys of 2048 bits and more");
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature).expect("the buffer fits");
    signature
}

fn sign_with_openssl(key: &str, options: &[&str], message: &[u8]) -> Vec<u8> {
    let [digest, padding, more @ ..] = options else { panic!("a digest and a padding come first") };
    let padding = format!("rsa_padding_mode:{padding}");
    let pem = pem(key);
    let mut args = vec!["dgst", digest, "-sign", path(&pem), "-sigopt", &padding];
    args.extend(more.iter().flat_map(|option| ["-sigopt", option]));
    let file = Scratch::new("message", message);
    args.push(path(&file.0));
    openssl(&args)
}

/// Whether openssl, told what the RSA lock asks for, takes the signature of `message`.
pub(super) fn openssl_accepts(spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (der, signature) = (Scratch::new("der", spki), Scratch::new("signature", signature));
    let message = Scratch::new("signed", message);
    let public = openssl(&["pkey", "-pubin", "-inform", "DER", "-in", path(&der.0)]);
    let public = Scratch::new("pem", &public);
    let verified = openssl(&[
        "dgst",
        "-sha256",
        "-verify",
        path(&public.0),
        "-signature",
        path(&signature.0),
        "-sigopt",
        "rsa_padding_mode:pss",
        "-sigopt",
        "rsa_pss_saltlen:32",
        "-sigopt",
        "rsa_mgf1_md:sha256",
        path(&message.0),
    ]);
    verified == b"Verified OK\n"
}

/// A file for openssl to read, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("mycoin-vectors-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn path(path: &std::path::Path) -> &str {
    path.to_str().expect("the paths of tests are text")
}

fn openssl(args: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(args).output().expect("an update needs the openssl command");
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
