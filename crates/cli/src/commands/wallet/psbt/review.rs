//! What a PSBT does, in lines for people and as JSON.

use mycoin_primitives::{Network, format_amount};
use mycoin_wallet::{OutputRole, PsbtInput, PsbtOutput, PsbtReview, PsbtWarning};
use serde_json::{Value, json};

use super::super::{json_coins, json_number};
use crate::output;

/// What a PSBT does, for people. Without a wallet nobody can say whose coins these are.
pub(super) fn lines(review: &PsbtReview, has_wallet: bool, network: &Network) -> Vec<String> {
    let mut lines = vec![format!("Transaction {}", review.txid), "Spends:".to_owned()];
    lines.extend(review.inputs.iter().map(|input| input_line(input, has_wallet, network)));
    lines.push("Pays:".to_owned());
    lines.extend(review.outputs.iter().map(|output| output_line(output, has_wallet, network)));
    let size = format!("{} virtual bytes", review.vsize);
    lines.push(match (review.fee, review.fee_rate) {
        (Some(fee), Some(rate)) => format!("Fee: {} ({size} at {rate})", format_amount(fee, network)),
        _ => format!("Fee: not known ({size})"),
    });
    if has_wallet {
        let change = output::signed_coins(review.balance_change, network);
        lines.push(format!("This wallet's balance changes by {change} {}.", network.ticker));
    }
    lines.push(complete_sentence(review.complete).to_owned());
    lines.extend(review.warnings.iter().map(|warning| format!("Look twice: {}", warning_sentence(warning))));
    lines
}

fn input_line(input: &PsbtInput, has_wallet: bool, network: &Network) -> String {
    let amount = input.amount.map_or_else(|| "an unknown amount".to_owned(), |amount| format_amount(amount, network));
    let mut parts = vec![amount];
    parts.push(input.address.clone().unwrap_or_else(|| input.outpoint.to_string()));
    if has_wallet {
        parts.push(if input.ours { "yours" } else { "not yours" }.to_owned());
    }
    if !input.signed_by.is_empty() {
        parts.push(format!("signed by {}", input.signed_by.join(" and ")));
    }
    if !input.complete && !input.unsigned_by.is_empty() {
        let needed = input.required.map_or_else(String::new, |required| format!("{required} of "));
        let all = input.signed_by.iter().chain(&input.unsigned_by).cloned().collect::<Vec<_>>();
        match input.required {
            Some(required) if required < all.len() => {
                parts.push(format!("needs {needed}{}: {}", all.len(), all.join(", ")));
            }
            _ => parts.push(format!("to be signed by {}", input.unsigned_by.join(" and "))),
        }
    }
    format!("  {}", parts.join(", "))
}

fn output_line(output: &PsbtOutput, has_wallet: bool, network: &Network) -> String {
    let to = output.address.clone().unwrap_or_else(|| format!("script {:x}", output.script));
    let whose = match output.role {
        _ if !has_wallet => "",
        OutputRole::Payment => ", somebody else",
        OutputRole::Change => ", your change",
        OutputRole::OwnAddress => ", your own address",
    };
    format!("  {}, {to}{whose}", format_amount(output.amount, network))
}

/// Inputs and outputs are counted from 1 for people.
fn warning_sentence(warning: &PsbtWarning) -> String {
    match warning {
        PsbtWarning::NothingIsOurs => "none of the coins that it spends is this wallet's.".to_owned(),
        PsbtWarning::ForeignInputs { count: 1 } => "one of the coins that it spends is somebody else's.".to_owned(),
        PsbtWarning::ForeignInputs { count } => format!("{count} of the coins that it spends are somebody else's."),
        PsbtWarning::FeeUnknown => {
            "it does not say what all of its coins are worth, so its fee is not known.".to_owned()
        }
        PsbtWarning::FeeUnproven => "its fee is as shown only if it tells the truth about its coins.".to_owned(),
        PsbtWarning::CoinContradicted { input } => {
            format!("what it says of coin {} contradicts that coin's own transaction.", input + 1)
        }
        PsbtWarning::Sighash { input } => {
            format!("it asks for a signature of coin {} that would let others change the payment.", input + 1)
        }
        PsbtWarning::WrongSignature { input } => format!("a signature of coin {} does not hold.", input + 1),
        PsbtWarning::FalseChange { output } => {
            format!("it calls output {} your change, and it is not: your keys do not open it.", output + 1)
        }
        PsbtWarning::PaysTooMuch => "more goes out than comes in.".to_owned(),
        PsbtWarning::HighFee { percent } => format!("the fee is {percent} % of what it pays."),
    }
}

fn warning_word(warning: &PsbtWarning) -> &'static str {
    match warning {
        PsbtWarning::NothingIsOurs => "nothing-is-ours",
        PsbtWarning::ForeignInputs { .. } => "foreign-inputs",
        PsbtWarning::FeeUnknown => "fee-unknown",
        PsbtWarning::FeeUnproven => "fee-unproven",
        PsbtWarning::CoinContradicted { .. } => "coin-contradicted",
        PsbtWarning::Sighash { .. } => "sighash",
        PsbtWarning::WrongSignature { .. } => "wrong-signature",
        PsbtWarning::FalseChange { .. } => "false-change",
        PsbtWarning::PaysTooMuch => "pays-too-much",
        PsbtWarning::HighFee { .. } => "high-fee",
    }
}

/// What a PSBT does, as JSON. Whose coins these are stands there only where a wallet looked.
pub(super) fn json(review: &PsbtReview, has_wallet: bool, network: &Network) -> Value {
    let inputs = review.inputs.iter().map(|input| {
        json!({
            "outpoint": input.outpoint.to_string(),
            "amount": input.amount.map(|amount| json_coins(amount, network)),
            "amount_proven": input.amount_proven,
            "address": input.address,
            "ours": has_wallet.then_some(input.ours),
            "required": input.required,
            "signed_by": input.signed_by,
            "unsigned_by": input.unsigned_by,
            "complete": input.complete,
        })
    });
    let role = |role| match role {
        OutputRole::Payment => "payment",
        OutputRole::Change => "change",
        OutputRole::OwnAddress => "own-address",
    };
    let outputs = review.outputs.iter().map(|output| {
        json!({
            "amount": json_coins(output.amount, network),
            "address": output.address,
            "script": format!("{:x}", output.script),
            "role": has_wallet.then(|| role(output.role)),
        })
    });
    let balance_change = output::signed_coins(review.balance_change, network);
    json!({
        "txid": review.txid.to_string(),
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
        "fee": review.fee.map(|fee| json_coins(fee, network)),
        "vsize": review.vsize,
        "balance_change": has_wallet.then(|| json_number(balance_change.trim_start_matches('+'))),
        "complete": review.complete,
        "warnings": review.warnings.iter().map(warning_word).collect::<Vec<_>>(),
        "warning_sentences": review.warnings.iter().map(warning_sentence).collect::<Vec<_>>(),
    })
}

pub(super) const fn complete_sentence(complete: bool) -> &'static str {
    if complete { "All signatures are there." } else { "Signatures are missing." }
}

/// What signing gave.
pub(super) fn signed_sentence(new: usize, complete: bool) -> String {
    let made = match new {
        0 => "This wallet had signed already.".to_owned(),
        1 => "One signature was made.".to_owned(),
        _ => format!("{new} signatures were made."),
    };
    format!("{made} {}", complete_sentence(complete))
}
