//! Tables as text that spreadsheets read.
//!
//! In:    cells; or a file that somebody made.
//! Out:   lines of comma-separated cells, every text in quotation marks; or the cells of each line.
//! Never: a text that a spreadsheet would run as a formula.
//!
//! Source: RFC 4180; OWASP, “CSV Injection”.

/// What a spreadsheet takes for the beginning of a formula, in its wide form too.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A cell of a table.
pub(crate) enum Cell {
    /// Anything that somebody wrote. A spreadsheet shows it and never runs it.
    Text(String),
    /// A number of ours, which a spreadsheet may reckon with.
    Number(String),
}

/// A line of a table.
pub(crate) fn line(cells: &[Cell]) -> String {
    let written: Vec<String> = cells.iter().map(written).collect();
    written.join(",") + "\n"
}

/// The line above a table.
pub(crate) fn header(names: &[&str]) -> String {
    names.join(",") + "\n"
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Number(digits) => digits.clone(),
        Cell::Text(text) => {
            // The mark by which spreadsheets know a text.
            let mark = if is_formula(text) { "'" } else { "" };
            format!("\"{mark}{}\"", text.replace('"', "\"\""))
        }
    }
}

/// The text that [`Cell::Text`] was made of.
pub(crate) fn text_of(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_formula(text)).unwrap_or(cell)
}

/// Whether a spreadsheet would run it, were it not for marks.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// A line's number and its cells.
pub(crate) type Record = (usize, Vec<String>);

/// What becomes of blanks between a comma and a quotation mark.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blanks {
    /// They are no part of the format (RFC 4180).
    Refused,
    /// People write them.
    Ignored,
}

/// A table's lines, each with its number in the text, counted from 1. Empty lines are left out.
///
/// # Errors
///
/// The number of the line whose quotation marks are not closed, or stand inside a cell without any.
pub(crate) fn parse(text: &str, beside: Blanks) -> Result<Vec<Record>, usize> {
    let is_fine = |text: &str| beside == Blanks::Ignored && text.trim().is_empty();
    let mut lines = Vec::new();
    let (mut cells, mut cell, mut start, mut number) = (Vec::new(), String::new(), 1, 1);
    // Whether we are inside of quotation marks; whether this cell had some, so that nothing may follow them.
    let (mut inside, mut was_quoted) = (false, false);
    let mut characters = text.strip_prefix('\u{feff}').unwrap_or(text).chars().chain(['\n']).peekable();
    while let Some(character) = characters.next() {
        let is_last = characters.peek().is_none();
        match character {
            '"' if inside && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if inside => inside = false,
            '"' if !was_quoted && (cell.is_empty() || is_fine(&cell)) => {
                cell.clear();
                (inside, was_quoted) = (true, true);
            }
            '"' => return Err(number),
            _ if inside && !is_last => {
                number += usize::from(character == '\n');
                cell.push(character);
            }
            ',' | '\n' => {
                if inside {
                    return Err(start);
                }
                cells.push(std::mem::take(&mut cell));
                was_quoted = false;
                if character == '\n' {
                    number += 1;
                    let line = std::mem::take(&mut cells);
                    if line.iter().any(|cell| !cell.is_empty()) {
                        lines.push((start, line));
                    }
                    start = number;
                }
            }
            '\r' if characters.peek() == Some(&'\n') => {}
            _ if was_quoted && !is_fine(character.encode_utf8(&mut [0; 4])) => return Err(number),
            _ => cell.push(character),
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_text_begins_like_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|'/c calc'!A1", "\t=1", "\r=1", "＝1"] {
            let cell = written(&Cell::Text(text.to_owned()));
            assert!(cell.starts_with("\"'") && cell.ends_with('"'), "{cell}");
            let [(_, cells)] = &parse(&cell, Blanks::Refused).expect("our own")[..] else { panic!("one line") };
            assert_eq!(text_of(&cells[0]), text);
        }
        assert_eq!(written(&Cell::Number("-5.5".to_owned())), "-5.5");
        assert_eq!(written(&Cell::Text("it's \"so\", he said".to_owned())), "\"it's \"\"so\"\", he said\"");
        assert_eq!(text_of("'tis"), "'tis");
    }

    #[test]
    fn tables_of_other_programs_are_read() {
        let cells = |text: &str| {
            parse(text, Blanks::Refused).map(|lines| lines.into_iter().map(|(_, cells)| cells).collect::<Vec<_>>())
        };
        assert_eq!(cells("a,b\r\nc,d\r\n"), Ok(vec![vec!["a".into(), "b".into()], vec!["c".into(), "d".into()]]));
        assert_eq!(cells("\u{feff}a,\"b\nc\"\n\n,\nd"), Ok(vec![vec!["a".into(), "b\nc".into()], vec!["d".into()]]));
        assert_eq!(cells(""), Ok(vec![]));
        let numbers: Vec<usize> =
            parse("a\n\"b\nc\"\n\nd", Blanks::Refused).expect("whole").into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [1, 2, 5]);
        for (damaged, line) in [("a\n\"b", 2), ("a\nb\"c", 2), ("\"a\"b", 1), ("\"a\n\nb", 1)] {
            assert_eq!(parse(damaged, Blanks::Refused), Err(line), "{damaged}");
        }
    }

    #[test]
    fn blanks_beside_quotation_marks_are_ignored_where_people_write_them() {
        let records = |text: &str| parse(text, Blanks::Ignored);
        let text = "a,1\r\n\r\n\"b, c\",\"2\",\"say \"\"hi\"\"\nthere\"\n d , 3 ,\n \"e\" ,4\n";
        let expected: Vec<Record> = vec![
            (1, vec!["a".into(), "1".into()]),
            (3, vec!["b, c".into(), "2".into(), "say \"hi\"\nthere".into()]),
            (5, vec![" d ".into(), " 3 ".into(), String::new()]),
            (6, vec!["e ".into(), "4".into()]),
        ];
        assert_eq!(records(text), Ok(expected));
        assert_eq!(records("a,1\n\"b,2\nc,3"), Err(2));
        assert_eq!(records("a,1\nb\"c,2"), Err(2));
        assert_eq!(records("\"b\"c,2"), Err(1));
        assert_eq!(parse("a, \"b\"", Blanks::Refused), Err(1));
        assert_eq!(parse("\"a\" ,b", Blanks::Refused), Err(1));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(rows in prop::collection::vec(prop::collection::vec("[-=+@,;\"'a-z \t\r\nä＝]{0,12}", 2..4), 0..5)) {
            let text: String = rows.iter().map(|row| line(&row.iter().cloned().map(Cell::Text).collect::<Vec<_>>())).collect();
            let read = parse(&text, Blanks::Refused).expect("our own");
            let read: Vec<Vec<String>> =
                read.iter().map(|(_, cells)| cells.iter().map(|cell| text_of(cell).to_owned()).collect()).collect();
            let kept: Vec<_> = rows.into_iter().filter(|row| row.iter().any(|cell| !cell.is_empty())).collect();
            prop_assert_eq!(read, kept);
        }

        #[test]
        fn no_file_makes_the_reader_stumble(text in "[\",\r\na-c\u{feff}]{0,60}") {
            for beside in [Blanks::Refused, Blanks::Ignored] {
                let _ = parse(&text, beside);
            }
        }
    }
}
