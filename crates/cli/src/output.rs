//! Printing for people: lines, aligned tables, QR codes; `--json` prints one JSON value instead.

use std::io::{self, Write as _};

use mycoin_primitives::{Amount, Network, format_coins};

/// Prints a line on standard output. A reader that went away ends nothing.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let _gone_reader_is_no_failure = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints a table: every column as wide as its widest cell, those named in `right` aligned to the right.
pub(crate) fn table(headers: &[&str], right: &[usize], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headers.get(column).map(|header| header.chars().count())).max().unwrap_or(0)
    };
    let print = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let fill = " ".repeat(width(column).saturating_sub(cell.chars().count()));
            if right.contains(&column) { format!("{fill}{cell}") } else { format!("{cell}{fill}") }
        });
        line(padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    print(&headers.iter().map(|header| (*header).to_owned()).collect::<Vec<_>>());
    rows.iter().for_each(|row| print(row));
}

/// A signed change of balance, in coins: `+5.00000000`.
pub(crate) fn signed_coins(units: i64, network: &Network) -> String {
    let sign = if units < 0 { '-' } else { '+' };
    format!("{sign}{}", format_coins(Amount::from_sat(units.unsigned_abs()), network))
}

/// Prints `text` as a QR code of half blocks, dark on light, with the quiet zone that scanners want.
pub(crate) fn qr(text: &str) {
    use qrcode::{Color, QrCode};
    const QUIET: usize = 2;
    let Ok(code) = QrCode::new(text) else { return };
    let (width, colors) = (code.width(), code.to_colors());
    let dark = |x: usize, y: usize| {
        let (x, y) = (x.wrapping_sub(QUIET), y.wrapping_sub(QUIET));
        x < width && y < width && colors.get(y * width + x) == Some(&Color::Dark)
    };
    for y in (0..width + 2 * QUIET).step_by(2) {
        let row = (0..width + 2 * QUIET).map(|x| match (dark(x, y), dark(x, y + 1)) {
            (false, false) => '█',
            (false, true) => '▀',
            (true, false) => '▄',
            (true, true) => ' ',
        });
        line(&row.collect::<String>());
    }
}
