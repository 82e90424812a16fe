//! Bans over a restart: `banlist.json` beside the peers' addresses, in the form in which Bitcoin Core writes its own.
//!
//! Source: Bitcoin Core `BanMapToJson`, net_types.cpp.

use std::path::Path;
use std::time::Duration;

use mycoin_files::{FilesError, Readers, replace};
use mycoin_p2p::{Ban, Time};
use serde_json::{Value, json};

use crate::error::ServerError;
use crate::server::read_optional;

/// The file's name.
pub(crate) const FILE: &str = "banlist.json";
/// The form of its entries.
const VERSION: u64 = 1;

/// The bans of the last run. A file that makes no sense is as good as none, and is told of.
pub(crate) fn read(folder: &Path) -> Result<Vec<Ban>, ServerError> {
    let bytes = read_optional(&folder.join(FILE))?;
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(from_bytes(&bytes).unwrap_or_else(|| {
        tracing::warn!("{FILE} is damaged or of another version; nobody is banned");
        Vec::new()
    }))
}

/// Writes the bans, whole or not at all.
pub(crate) fn write(folder: &Path, bans: &[Ban]) -> Result<(), FilesError> {
    replace(&folder.join(FILE), &to_bytes(bans), Readers::Owner)
}

pub(crate) fn to_bytes(bans: &[Ban]) -> Vec<u8> {
    let entry = |ban: &Ban| {
        json!({
            "version": VERSION,
            "ban_created": ban.created.unix_seconds(),
            "banned_until": ban.until.unix_seconds(),
            "address": ban.subnet.to_string(),
        })
    };
    let entries: Vec<Value> = bans.iter().map(entry).collect();
    json!({"banned_nets": entries}).to_string().into_bytes()
}

fn from_bytes(bytes: &[u8]) -> Option<Vec<Ban>> {
    let whole: Value = serde_json::from_slice(bytes).ok()?;
    whole.get("banned_nets")?.as_array()?.iter().map(read_entry).collect()
}

fn read_entry(entry: &Value) -> Option<Ban> {
    let number = |name: &str| entry.get(name)?.as_u64();
    let time = |name: &str| Some(seconds(number(name)?));
    if number("version")? != VERSION {
        return None;
    }
    let subnet = entry.get("address")?.as_str()?.parse().ok()?;
    Some(Ban { subnet, created: time("ban_created")?, until: time("banned_until")? })
}

/// The moment so many seconds after the start of 1970.
pub(crate) fn seconds(seconds: u64) -> Time {
    Time::default().after(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_survive_as_json_and_damage_empties_them() {
        let ban =
            |subnet: &str| Ban { subnet: subnet.parse().expect("a subnet"), created: seconds(5), until: seconds(9) };
        let bans = vec![ban("1.2.3.0/24"), ban("2a00:1::/32")];
        let bytes = to_bytes(&bans);
        assert_eq!(from_bytes(&bytes).as_deref(), Some(&bans[..]));
        assert_eq!(from_bytes(&to_bytes(&[])).as_deref(), Some(&[][..]));
        for damaged in [&bytes[1..], b"{}", b"[]", b"{\"banned_nets\": [{}]}", b"{\"banned_nets\": 1}"] {
            assert!(from_bytes(damaged).is_none());
        }
        let other = String::from_utf8(bytes).expect("JSON is text").replace("\"version\":1", "\"version\":2");
        assert!(from_bytes(other.as_bytes()).is_none());
    }
}
