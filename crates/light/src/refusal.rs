//! The refusals that we know, in our words: text that a proxy sent is never shown as ours.

use crate::error::LightError;

/// A refusal of the catalogue: what marks it, our code, our sentence, what to do next.
struct Known {
    /// Bitcoin's reject strings, or our codes, that mean this.
    marks: &'static [&'static str],
    code: &'static str,
    message: &'static str,
    next: &'static str,
}

const SYNC_AND_REPEAT: &str = "Synchronise the wallet, then make the payment again.";
const RAISE_FEE: &str = "Choose a higher fee rate.";
const WAIT_FOR_BLOCK: &str = "Wait for the next block, then try again.";

/// Reject strings of Bitcoin Core: validation.cpp, policy/, consensus/tx_check.cpp, tx_verify.cpp, node/transaction.cpp.
const REJECT_REASONS: &[Known] = &[
    Known {
        marks: &["txn-already-in-mempool", "txn-same-nonwitness-data-in-mempool"],
        code: "tx/already-sent",
        message: "This transaction was sent before; it waits for a block.",
        next: "",
    },
    Known {
        marks: &["txn-already-known", "Transaction already in block chain", "Transaction outputs already in utxo set"],
        code: "tx/already-confirmed",
        message: "This transaction is in a block already.",
        next: "",
    },
    Known {
        marks: &["txn-mempool-conflict", "bip125-replacement-disallowed", "bad-txns-spends-conflicting-tx"],
        code: "tx/double-spend",
        message: "Another waiting transaction spends the same coins.",
        next: SYNC_AND_REPEAT,
    },
    Known {
        marks: &["insufficient fee", "replacement-failed", "too many potential replacements"],
        code: "tx/double-spend",
        message: "This transaction does not pay enough to replace the one that waits.",
        next: RAISE_FEE,
    },
    Known {
        marks: &["bad-txns-inputs-missingorspent", "missing-inputs", "missingorspent"],
        code: "tx/missing-inputs",
        message: "Some coins that this transaction spends do not exist or are spent already.",
        next: SYNC_AND_REPEAT,
    },
    Known {
        marks: &["min relay fee not met", "mempool min fee not met"],
        code: "tx/fee-too-low",
        message: "The fee is too low for the network.",
        next: RAISE_FEE,
    },
    Known {
        marks: &["max-fee-exceeded"],
        code: "tx/fee-too-high",
        message: "The fee is so high that it looks like a mistake.",
        next: "Choose a lower fee rate.",
    },
    Known {
        marks: &["dust"],
        code: "tx/dust",
        message: "An output is worth less than it would cost to spend it.",
        next: "Send a larger amount.",
    },
    Known {
        marks: &["mempool full"],
        code: "tx/pool-full",
        message: "Too many transactions wait, and this one pays too little to displace another.",
        next: RAISE_FEE,
    },
    Known {
        marks: &["non-final", "non-BIP68-final"],
        code: "tx/not-final",
        message: "This transaction may not be sent yet: its lock time has not come.",
        next: WAIT_FOR_BLOCK,
    },
    Known {
        marks: &["bad-txns-premature-spend-of-coinbase"],
        code: "tx/premature-coinbase-spend",
        message: "This transaction spends a block reward that is still immature.",
        next: WAIT_FOR_BLOCK,
    },
    Known {
        marks: &["too-long-mempool-chain", "package-mempool-limits", "too-large-cluster"],
        code: "tx/too-long-chain",
        message: "Too many waiting transactions depend on each other.",
        next: WAIT_FOR_BLOCK,
    },
    Known {
        marks: &[
            "mandatory-script-verify-flag-failed",
            "mempool-script-verify-flag-failed",
            "block-script-verify-flag-failed",
        ],
        code: "tx/wrong-signature",
        message: "A signature is missing or wrong.",
        next: "Sign the transaction again.",
    },
    Known {
        marks: &["tx-size", "bad-txns-oversize"],
        code: "tx/too-large",
        message: "The transaction is too large.",
        next: "Send a smaller amount, or send it in parts.",
    },
    Known {
        marks: &["bad-txns-in-belowout", "bad-txns-fee-outofrange", "bad-txns-inputvalues-outofrange"],
        code: "tx/outputs-above-inputs",
        message: "The transaction pays out more than it spends.",
        next: SYNC_AND_REPEAT,
    },
    Known {
        marks: &[
            "scriptpubkey",
            "scriptsig-not-pushonly",
            "scriptsig-size",
            "version",
            "datacarrier",
            "bare-multisig",
            "bad-witness-nonstandard",
            "bad-txns-nonstandard-inputs",
            "bad-txns-too-many-sigops",
            "tx-size-small",
        ],
        code: "tx/non-standard",
        message: "The transaction has a form that the network does not pass on.",
        next: "",
    },
];

/// Codes of the catalogue that say more than a reject string, or that a proxy uses itself.
const CODES: &[Known] = &[
    // A wrong signature has the same reject string.
    Known {
        marks: &["tx/unsigned"],
        code: "tx/unsigned",
        message: "The transaction is not signed.",
        next: "Sign the transaction, then send it again.",
    },
    Known {
        marks: &["proxy/server-away"],
        code: "proxy/server-away",
        message: "The proxy cannot reach its base server.",
        next: "Start the base server, or wait until it is back.",
    },
    Known {
        marks: &["proxy/server-slow", "proxy/too-slow"],
        code: "proxy/server-slow",
        message: "The proxy's base server does not answer in time.",
        next: "Wait a little, then try again.",
    },
    Known {
        marks: &["proxy/busy"],
        code: "proxy/busy",
        message: "The proxy serves as many clients as it can.",
        next: "Wait a little, then try again.",
    },
    Known {
        marks: &["proxy/too-large"],
        code: "proxy/too-large",
        message: "The request is larger than the proxy takes.",
        next: "",
    },
    Known {
        marks: &["faucet/off"],
        code: "faucet/off",
        message: "This network has no faucet.",
        next: "Use the demo network, or earn coins by mining.",
    },
    Known { marks: &["tx/malformed"], code: "tx/malformed", message: "What was sent is not a transaction.", next: "" },
    Known {
        marks: &["address/other-coin"],
        code: "address/other-coin",
        message: "The address belongs to another coin.",
        next: "",
    },
    Known {
        marks: &[
            "address/missing",
            "address/typo",
            "address/bad-checksum",
            "address/bad-character",
            "address/mixed-case",
            "address/invalid",
        ],
        code: "address/invalid",
        message: "The proxy does not take the address.",
        next: "Check the address.",
    },
];

/// Our words for a refusal of which the proxy named `code` and perhaps Bitcoin's reject string.
pub(crate) fn refused(code: &str, reject_reason: Option<&str>) -> LightError {
    if let Some((known, _)) = find(CODES, code) {
        return known.refused(None);
    }
    if let Some((known, mark)) = reject_reason.and_then(|reason| find(REJECT_REASONS, first_words(reason))) {
        return known.refused(Some(mark));
    }
    // Rules of consensus that an honest wallet never breaks: one sentence for all of them.
    if reject_reason.is_some_and(|reason| reason.starts_with("bad-")) {
        let message = "The transaction breaks a rule of the network.".to_owned();
        return LightError::Refused { code: "tx/invalid", message, next: SYNC_AND_REPEAT, reject_reason: None };
    }
    let message = format!("The proxy refused the request (code {}).", plain(code));
    LightError::Refused { code: "proxy/refused", message, next: "", reject_reason: None }
}

impl Known {
    fn refused(&self, reject_reason: Option<&'static str>) -> LightError {
        LightError::Refused { code: self.code, message: self.message.to_owned(), next: self.next, reject_reason }
    }
}

fn find(table: &'static [Known], mark: &str) -> Option<(&'static Known, &'static str)> {
    table.iter().find_map(|known| known.marks.iter().find(|known| **known == mark).map(|mark| (known, *mark)))
}

/// Bitcoin Core appends details: `insufficient fee, rejecting replacement …`, `mandatory-script-verify-flag-failed (…)`.
fn first_words(reason: &str) -> &str {
    let end = reason.find([',', '(']).unwrap_or(reason.len());
    reason.get(..end).unwrap_or(reason).trim()
}

/// At most 200 characters that a code can have; the rest is left out.
fn plain(code: &str) -> String {
    let plain: String =
        code.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_')).take(200).collect();
    if plain.is_empty() { "unknown".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::Failure as _;

    #[test]
    fn known_reject_strings_get_our_sentence() {
        let error = refused("tx/whatever", Some("insufficient fee, rejecting replacement <b>x</b>"));
        assert_eq!(error.code(), "tx/double-spend");
        assert_eq!(error.to_string(), "This transaction does not pay enough to replace the one that waits.");
        let error = refused("x", Some("mandatory-script-verify-flag-failed (Schnorr)"));
        assert_eq!(error.code(), "tx/wrong-signature");
        assert_eq!(refused("tx/unsigned", Some("mempool-script-verify-flag-failed (x)")).code(), "tx/unsigned");
        assert_eq!(refused("x", Some("bad-txns-vin-empty")).code(), "tx/invalid");
    }

    #[test]
    fn unknown_text_of_a_server_is_never_shown_raw() {
        let evil = "<a href=\"https://evil.example\">Update now</a>\u{1b}[31m\n";
        let error = refused(evil, Some(evil));
        assert_eq!(error.code(), "proxy/refused");
        let shown = error.to_string();
        assert!(!shown.contains(['<', '>', '"', ':', '\u{1b}', '\n']), "{shown}");
        let long = refused(&"a".repeat(5_000), None).to_string();
        assert!(long.len() < 300, "{}", long.len());
    }

    #[test]
    fn each_mark_stands_once() {
        let marks: Vec<_> = REJECT_REASONS.iter().chain(CODES).flat_map(|known| known.marks).collect();
        let unique: std::collections::HashSet<_> = marks.iter().collect();
        assert_eq!(marks.len(), unique.len());
    }
}
