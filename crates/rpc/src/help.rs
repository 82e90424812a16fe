//! Help and documentation, made from the method table.

use std::fmt::Write as _;

use crate::{Access, Area, METHODS, Method, Need, RpcError, method};

/// How a method is called, in one line: `getblock blockhash ( verbosity )`.
pub fn usage(method: &Method) -> String {
    let mut line = method.name.to_owned();
    for param in method.params {
        match param.need {
            Need::Required => line.push_str(&format!(" {}", param.name)),
            Need::Optional(_) => line.push_str(&format!(" ( {} )", param.name)),
        }
    }
    line
}

/// The answer of `help`: all methods by area, or one of them explained.
///
/// # Errors
///
/// -32601 when there is no such method.
pub fn help(command: Option<&str>) -> Result<String, RpcError> {
    let Some(name) = command else { return Ok(list()) };
    let found = method(name);
    found.map(explain).ok_or_else(|| {
        RpcError::new(RpcError::METHOD_NOT_FOUND, "there is no such method; `help` lists all")
            .with_data("rpc/unknown-method", "Call `help` without a name for a list.")
    })
}

fn list() -> String {
    let mut text = String::new();
    for area in Area::ALL {
        let _ = writeln!(text, "== {} ==", area.title());
        for method in METHODS.iter().filter(|method| method.area == area) {
            let _ = writeln!(text, "{}", usage(method));
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn explain(method: &Method) -> String {
    let mut text = format!("{}\n\n{}\n", usage(method), method.summary);
    if !method.params.is_empty() {
        text.push_str("\nParameters:\n");
    }
    for (index, param) in method.params.iter().enumerate() {
        let _ = writeln!(
            text,
            "{}. {} ({}, {}) {}",
            index + 1,
            param.name,
            param.kind.name(),
            need(param.need),
            param.about
        );
    }
    let _ = writeln!(text, "\nResult:\n{}", method.result);
    let _ = writeln!(text, "\nAllowed for: {}", allowed(method.access));
    let _ = write!(text, "\nExample:\n{}", example(method));
    text
}

fn need(need: Need) -> String {
    match need {
        Need::Required => "required".to_owned(),
        Need::Optional(default) => format!("optional, default: {default}"),
    }
}

const fn allowed(access: Access) -> &'static str {
    match access {
        Access::Proxy => "proxy, admin",
        Access::Admin => "admin",
    }
}

fn example(method: &Method) -> String {
    let quoted = method.example.contains(['{', '[', ' ']) && method.example.contains('"');
    let words = if quoted { format!("'{}'", method.example) } else { method.example.to_owned() };
    format!("mycoin rpc {} {words}", method.name).trim_end().to_owned()
}

/// The page `docs/rpc.md`.
pub fn markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    for area in Area::ALL {
        let _ = writeln!(page, "\n## {}", area.title());
        for method in METHODS.iter().filter(|method| method.area == area) {
            let _ = writeln!(page, "\n### {}\n\n{}", method.name, method.summary);
            if !method.params.is_empty() {
                page.push_str("\n| parameter | type | | meaning |\n|---|---|---|---|\n");
            }
            for param in method.params {
                let alias = param.alias.map(|alias| format!(" (or `{alias}`)")).unwrap_or_default();
                let kind = param.kind.name();
                let _ = writeln!(page, "| `{}`{alias} | {kind} | {} | {} |", param.name, need(param.need), param.about);
            }
            let _ = writeln!(page, "\nAnswers: {}. Allowed for: {}.", method.result, allowed(method.access));
            let _ = writeln!(page, "\n```\n{}\n```", example(method));
        }
    }
    page
}

const INTRODUCTION: &str = "\
# The private interface: JSON-RPC

This page is made from the method table, `crates/rpc/src/table.rs`. Do not edit it; after a change of the table run
`UPDATE_DOCS=1 cargo test -p mycoin-rpc`.

The base server answers JSON-RPC over HTTPS with mutual TLS 1.3: whoever shows no certificate that the server issued or
pinned gets no further than the handshake. `mycoin rpc METHOD [ARGS…]` calls it with the administrator's certificate.
With `--rpc-cookie ADDR` the server also answers plain HTTP on a loopback address, for stock Bitcoin tools; who can read
the file `.cookie` in the network's folder is an administrator there.

- `POST /` takes a request or a batch of at most 100. JSON-RPC 2.0, and 1.0/1.1 as Bitcoin Core speaks them: without
  `\"jsonrpc\": \"2.0\"` an answer carries both `result` and `error`, and an error has an HTTP status of its own
  (400 invalid request, 403 not allowed, 404 unknown method, else 500). Notifications of 2.0 get 204.
- Parameters are named (an object), positional (an array), or named after a positional start (`args` in the object).
- Errors carry Bitcoin Core's numbers. `data` holds the catalogue's code, what to do next, Bitcoin's reject string, and the sentence for people where the message is Bitcoin Core's text.
- A body holds at most 32 MiB, nested at most 64 deep, of type `application/json`.
- `GET /events` is a stream of server-sent events: `block_connected`, `block_disconnected`, `transaction_added`,
  `transaction_removed`, `mining`. A reader that is too slow is cut off and has to connect and catch up.
- The role `proxy` may call what reads or hands in; the role `admin` everything.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_that_of_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rpc.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
                .expect("the folder can be made");
            std::fs::write(path, markdown()).expect("the page can be written");
        }
        let page = std::fs::read_to_string(path).expect("docs/rpc.md stands");
        assert!(page == markdown(), "docs/rpc.md is old: run UPDATE_DOCS=1 cargo test -p mycoin-rpc");
    }

    #[test]
    fn help_names_every_method_and_explains_each() {
        let all = help(None).expect("a list");
        for method in METHODS {
            assert!(all.lines().any(|line| line == usage(method)), "{}", method.name);
            let text = help(Some(method.name)).expect("in the table");
            assert!(text.contains(method.summary) && method.params.iter().all(|param| text.contains(param.name)));
        }
        assert_eq!(help(Some("nothing")).map_err(|error| error.code), Err(-32601));
    }
}
