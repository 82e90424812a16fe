//! Values as people read them: amounts, dates, sentences.
//!
//! In:    what the wallet and the proxy tell.
//! Out:   text.
//! Never: a decision about money.

use chrono::{DateTime, Datelike, Local, TimeZone};
use mycoin_light::{MinerState, MiningInfo};
use mycoin_primitives::{Amount, Failure, FeeRate, Network, format_amount, format_coins};
use mycoin_wallet::{EntryKind, EntryState, HistoryEntry, KeyKind, Review, ScriptKind, Warning};

use crate::follow::Connection;
use crate::ui;

/// A failure as full sentences: what happened, then what to do.
pub(crate) fn sentence(failure: &dyn Failure) -> String {
    let mut text = full_sentence(&failure.to_string());
    if !failure.next_step().is_empty() {
        text.push(' ');
        text.push_str(failure.next_step());
    }
    text
}

/// `text` with a capital at its beginning and a point at its end.
fn full_sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut full: String =
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    if !full.ends_with(['.', '!', '?']) {
        full.push('.');
    }
    full
}

/// `1204` as `1,204`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// An amount in two parts: whole coins, grouped, and the decimals with their point.
pub(crate) fn amount_parts(amount: Amount, network: &Network) -> (String, String) {
    let text = format_coins(amount, network);
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    (whole, if decimals.is_empty() { String::new() } else { format!(".{decimals}") })
}

/// An amount with grouped whole coins: `1,204.50000000`.
pub(crate) fn coins(amount: Amount, network: &Network) -> String {
    let (whole, decimals) = amount_parts(amount, network);
    whole + &decimals
}

/// An address in groups of four.
pub(crate) fn groups_of_four(address: &str) -> Vec<String> {
    let characters: Vec<char> = address.chars().collect();
    characters.chunks(4).map(|group| group.iter().collect()).collect()
}

/// An address short enough for a list: its beginning and its end.
pub(crate) fn shortened(address: &str) -> String {
    let characters: Vec<char> = address.chars().collect();
    match (characters.get(..14), characters.len().checked_sub(8).and_then(|at| characters.get(at..))) {
        (Some(head), Some(tail)) if characters.len() > 24 => {
            format!("{}…{}", head.iter().collect::<String>(), tail.iter().collect::<String>())
        }
        _ => address.to_owned(),
    }
}

/// What a wallet's keys are, in words.
pub(crate) fn kind(kind: Option<KeyKind>) -> String {
    match kind {
        Some(KeyKind::Words) => "Recovery words".to_owned(),
        Some(KeyKind::Rsa { bits }) => format!("RSA key, {} bits", grouped(u64::from(bits))),
        Some(KeyKind::WordsFor { scripts: ScriptKind::Segwit }) => "Recovery words, segwit".to_owned(),
        Some(KeyKind::WordsFor { .. }) => "Recovery words, old-style".to_owned(),
        Some(KeyKind::Multisig { required, keys }) => format!("{required} of {keys} keys"),
        Some(KeyKind::Descriptor) => "Descriptor".to_owned(),
        Some(KeyKind::Token { .. }) => "RSA key on a token".to_owned(),
        Some(KeyKind::WatchOnly) => "Watch-only".to_owned(),
        None => "This file is no wallet".to_owned(),
    }
}

/// How things stand with the proxy, in words, and how that looks.
pub(crate) fn connection(state: &Connection) -> (String, ui::Tone) {
    let block = |height: &mycoin_primitives::Height| grouped(u64::from(height.to_u32()));
    match state {
        Connection::Connecting => ("Connecting…".to_owned(), ui::Tone::Neutral),
        Connection::UpToDate { height } => (format!("Up to date · block {}", block(height)), ui::Tone::Positive),
        Connection::CatchingUp { height } => (format!("Catching up · block {}", block(height)), ui::Tone::Warning),
        Connection::ServerAway => ("The proxy's server is away · trying again".to_owned(), ui::Tone::Warning),
        Connection::Offline { retry_in } => (format!("No connection · trying again in {retry_in} s"), ui::Tone::Danger),
        Connection::Trouble { why, retry_in } => (format!("{why} Trying again in {retry_in} s."), ui::Tone::Danger),
    }
}

/// The miner card's sentence.
pub(crate) fn miner_sentence(info: &MiningInfo) -> String {
    let height = grouped(u64::from(info.height.to_u32()));
    match (info.state, info.needed) {
        (MinerState::Mining, _) => format!("It searches for the proof of work of block {height}."),
        (MinerState::Off, _) => "It is switched off.".to_owned(),
        (MinerState::Idle, Some(needed)) => {
            let noun = if needed == 1 { "transaction" } else { "transactions" };
            format!("{} of {needed} {noun} waiting. The miner starts at {needed}.", info.waiting)
        }
        (MinerState::Idle, None) => "It waits for its next turn.".to_owned(),
    }
}

/// A count that moves fast, rounded so that it can be read: `8.4 million`.
pub(crate) fn roughly(count: f64) -> String {
    match count {
        count if count >= 1e9 => format!("{:.1} billion", count / 1e9),
        count if count >= 1e6 => format!("{:.1} million", count / 1e6),
        count if count >= 1e4 => format!("{:.0} thousand", count / 1e3),
        // Counts below ten thousand fit and are never negative.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        count => grouped(count.max(0.0) as u64),
    }
}

/// A moment in this computer's time zone: `Today, 14:02`, `22 Nov, 14:02` or `22 Nov 2025`.
pub(crate) fn moment(time: u64, now: DateTime<Local>) -> String {
    let at = i64::try_from(time).ok().and_then(|seconds| Local.timestamp_opt(seconds, 0).single());
    match at {
        Some(at) if at.date_naive() == now.date_naive() => at.format("Today, %H:%M").to_string(),
        Some(at) if at.year() == now.year() => at.format("%-d %b, %H:%M").to_string(),
        Some(at) => at.format("%-d %b %Y").to_string(),
        None => String::new(),
    }
}

/// One transaction for the lists, with the sentence that a screen reader says.
pub(crate) fn row(entry: &HistoryEntry, network: &Network, now: DateTime<Local>) -> ui::TransactionRow {
    let incoming = entry.amount >= 0;
    let amount = Amount::from_sat(entry.amount.unsigned_abs());
    let other = entry.counterparties.first();
    let (verb, title) = match entry.kind {
        EntryKind::Received => ("Received", other.map_or_else(|| "Received".to_owned(), |from| shortened(from))),
        EntryKind::Sent => ("Sent", other.map_or_else(|| "Sent".to_owned(), |to| shortened(to))),
        EntryKind::ToSelf => ("Moved inside this wallet", "To this wallet".to_owned()),
        EntryKind::Reward => ("Block reward received", "Block reward".to_owned()),
    };
    let (state, tone) = match entry.state {
        EntryState::Waiting => ("Waiting".to_owned(), ui::Tone::Warning),
        EntryState::Confirmed => ("Confirmed".to_owned(), ui::Tone::Positive),
        EntryState::Immature { blocks_left: 1 } => ("1 block to go".to_owned(), ui::Tone::Neutral),
        EntryState::Immature { blocks_left } => (format!("{blocks_left} blocks to go"), ui::Tone::Neutral),
    };
    let when = moment(entry.time, now);
    ui::TransactionRow {
        txid: entry.txid.to_string().into(),
        incoming,
        sentence: format!("{verb}: {}, {title}, {when}, {state}.", format_amount(amount, network)).into(),
        title: title.into(),
        when: when.into(),
        amount: format!("{}{}", if incoming { "+" } else { "−" }, coins(amount, network)).into(),
        state: state.into(),
        tone,
    }
}

/// The lines of the review, from what the recipient gets to what is left.
pub(crate) fn review_lines(review: &Review, network: &Network) -> Vec<ui::ReviewLine> {
    let line = |label: &str, amount: Amount, detail: String, strong: bool| ui::ReviewLine {
        label: label.into(),
        value: format!("{} {}", coins(amount, network), network.ticker).into(),
        detail: detail.into(),
        strong,
    };
    let mut lines = vec![
        line("Amount", review.amount, String::new(), false),
        line("Fee", review.fee, fee_detail(review), false),
        line("Total", review.total, String::new(), true),
    ];
    if review.change > Amount::ZERO {
        lines.push(line("Change", review.change, "Comes back to this wallet".to_owned(), false));
    }
    lines.push(line("Balance afterwards", review.balance_after, String::new(), false));
    lines
}

fn fee_detail(review: &Review) -> String {
    let rate = rate(review.fee_rate);
    match review.fee.to_sat().saturating_mul(10_000).checked_div(review.amount.to_sat()) {
        Some(0) => format!("Less than 0.01 % of the amount · {rate} per byte"),
        Some(share) => format!("{}.{:02} % of the amount · {rate} per byte", share / 100, share % 100),
        None => format!("{rate} per byte"),
    }
}

/// A fee rate in the smallest unit per virtual byte, without needless zeros.
pub(crate) fn rate(rate: FeeRate) -> String {
    let (whole, decimals) = (rate.to_sat_per_kvb() / 1_000, rate.to_sat_per_kvb() % 1_000);
    let decimals = format!("{decimals:03}");
    match decimals.trim_end_matches('0') {
        "" => whole.to_string(),
        decimals => format!("{whole}.{decimals}"),
    }
}

/// What a careful person looks at twice.
pub(crate) fn warning(warning: &Warning) -> String {
    full_sentence(&warning.to_string())
}

/// Why coins are immature, for a coin with that maturity.
pub(crate) fn immature_why(network: &Network) -> String {
    match network.maturity {
        1 => "Block rewards; they rest one block.".to_owned(),
        maturity => format!("Block rewards; they rest {maturity} blocks."),
    }
}

/// How good a password is, by its length: length counts most, and a plain rule is better than a wrong meter.
pub(crate) fn strength(password: &str) -> (&'static str, ui::Tone) {
    match password.chars().count() {
        0 => ("", ui::Tone::Neutral),
        1..=7 => ("Weak: a computer guesses it quickly. Make it longer.", ui::Tone::Danger),
        8..=11 => ("Fair. Twelve characters or four words are better.", ui::Tone::Warning),
        _ => ("Strong.", ui::Tone::Positive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_204, "1,204"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(coins(Amount::from_sat(120_450_000_000), &Network::demo()), "1,204.50000000");
    }

    #[test]
    fn addresses_are_grouped_and_shortened() {
        assert_eq!(groups_of_four("dmyc1qxy"), ["dmyc", "1qxy"]);
        assert_eq!(groups_of_four("dmyc1"), ["dmyc", "1"]);
        assert_eq!(shortened("dmyc1qw508d6qejxtdg4y5r3zarvary0c5xw7k"), "dmyc1qw508d6qe…y0c5xw7k");
        assert_eq!(shortened("short"), "short");
    }

    #[test]
    fn sentences_begin_and_end_as_sentences() {
        assert_eq!(full_sentence("the amount is zero"), "The amount is zero.");
        assert_eq!(full_sentence("Done."), "Done.");
        assert_eq!(full_sentence(""), ".");
    }

    #[test]
    fn fee_rates_lose_needless_zeros() {
        for (sat_per_kvb, text) in [(1_000, "1"), (100, "0.1"), (1_250, "1.25"), (0, "0")] {
            assert_eq!(rate(FeeRate::from_sat_per_kvb(sat_per_kvb)), text);
        }
    }

    #[test]
    fn the_miner_card_counts() {
        let info = MiningInfo {
            state: MinerState::Idle,
            waiting: 1,
            needed: Some(2),
            hashes_per_second: 0.0,
            hashes_tried: 0,
            height: mycoin_primitives::Height::new(5),
        };
        assert_eq!(miner_sentence(&info), "1 of 2 transactions waiting. The miner starts at 2.");
        assert_eq!(roughly(8_400_000.0), "8.4 million");
        assert_eq!(roughly(512.0), "512");
    }
}
