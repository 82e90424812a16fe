//! The document is the law: a crate may depend on what its row in ARCHITECTURE.md names, and on nothing else of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const PREFIX: &str = "mycoin-";

/// Reads the table of rooms: crate → the crates that it may use.
fn allowed_dependencies(document: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = document.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells.as_slice() {
            ["", name, _charter, may_use, ""] => {
                let name = name.strip_prefix('`')?.strip_suffix('`')?.to_owned();
                Some((name, may_use.split(", ").filter(|word| *word != "–").map(str::to_owned).collect()))
            }
            _ => None,
        }
    });
    rows.collect()
}

/// Every dependency between our crates, development dependencies left out.
fn workspace_dependencies() -> Vec<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let ours = |name: &str| name.strip_prefix(PREFIX).map(str::to_owned);
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().expect("there are packages") {
        let from = ours(package["name"].as_str().expect("packages have names")).expect("our packages share a prefix");
        for dependency in package["dependencies"].as_array().expect("packages list dependencies") {
            let is_development = dependency["kind"] == "dev";
            if let Some(to) = ours(dependency["name"].as_str().expect("dependencies have names"))
                && !is_development
            {
                found.push((from.clone(), to));
            }
        }
        found.push((from.clone(), from)); // So that a crate without dependencies needs a row too.
    }
    found
}

#[test]
fn crates_depend_only_on_what_architecture_md_allows() {
    let allowed = allowed_dependencies(include_str!("../../../ARCHITECTURE.md"));
    let found = workspace_dependencies();
    assert!(found.len() > allowed.len(), "the workspace has dependencies");
    for (from, to) in found {
        let row = allowed.get(&from).unwrap_or_else(|| panic!("{from} has no row in ARCHITECTURE.md"));
        assert!(from == to || row.contains(&to), "{from} may not see {to}: ARCHITECTURE.md");
    }
}

#[test]
fn the_reader_of_the_table_reads_it() {
    let allowed =
        allowed_dependencies("| crate | charter | may use |\n|---|---|---|\n| `b` | Does. | a, c |\n| `a` | Is. | – |");
    assert_eq!(allowed["b"], BTreeSet::from(["a".to_owned(), "c".to_owned()]));
    assert!(allowed["a"].is_empty());
}

/// Source files that the documents name in backticks, such as `chain/src/accept.rs`.
#[test]
fn files_that_the_documents_name_are_there() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let documents = [include_str!("../../../ARCHITECTURE.md"), include_str!("../../../CONTRIBUTING.md")];
    let named =
        documents.iter().flat_map(|text| text.split('`')).filter(|word| word.contains("/src/") && !word.contains(' '));
    let mut count = 0;
    for name in named {
        let path = crates.join(name.strip_prefix("crates/").unwrap_or(name));
        assert!(path.exists(), "{name} is named and not there");
        count += 1;
    }
    assert!(count > 10, "the documents name files");
}
