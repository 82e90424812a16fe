//! Bitcoin Core's own test data, as Cargo delivers it.
//!
//! In:    the package `libbitcoinkernel-sys`, which ships Core's whole source; `core_data/Cargo.toml` pins its version.
//! Out:   the files of Core's `src/test/data`.
//! Never: built, copied or skipped. Where the package can't be had, whatever asks for it fails and says why.
//!
//! Start at [`read`].

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

const PACKAGE: &str = "libbitcoinkernel-sys";
const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/core_data/Cargo.toml");

/// The folder of Core's test data. Cargo downloads the package on the first call where it isn't there yet.
///
/// # Panics
///
/// When the package can't be downloaded or doesn't hold the folder; says what Cargo said.
#[must_use]
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = package_folder().join("bitcoin/src/test/data");
        assert!(folder.is_dir(), "{PACKAGE} holds no test data of Bitcoin Core: {} is missing", folder.display());
        folder
    })
}

/// The JSON in one of the folder's files, such as `script_tests.json`.
///
/// # Panics
///
/// As [`folder`]; when there is no such file, or what it holds is no JSON.
#[must_use]
pub fn read(file: &str) -> Value {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn package_folder() -> PathBuf {
    // Without `--no-deps`: only then does Cargo download what the manifest names.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--manifest-path", MANIFEST])
        .output()
        .unwrap_or_else(|error| {
            panic!("{}, which finds Bitcoin Core's test data, does not run: {error}", env!("CARGO"))
        });
    assert!(
        output.status.success(),
        "Bitcoin Core's test data, part of the package {PACKAGE}, can't be had. Cargo says:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["name"] == PACKAGE).expect("the manifest names the package");
    let manifest = Path::new(package["manifest_path"].as_str().expect("every package has a manifest"));
    manifest.parent().expect("a manifest stands in a folder").to_owned()
}
