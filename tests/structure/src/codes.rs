//! Codes of rules in texts: `R34`, `EE16`, `C-206`, and `r34_` or `c_206_` in the names of tests.

use std::collections::BTreeSet;

/// Longest series of digits of a code; what is longer is another number.
const MOST_DIGITS: usize = 3;

/// All codes in a text.
pub fn of(text: &str) -> BTreeSet<String> {
    let mut found = written(text);
    found.extend(in_names(text));
    found
}

/// Codes as people write them.
fn written(text: &str) -> BTreeSet<String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#');
    // A text that is nothing but such a name is a value: the number of a record in a test.
    let is_value = |start: usize, end: usize| text[..start].ends_with('"') && text[end..].starts_with('"');
    let bytes = text.as_bytes();
    let mut found = BTreeSet::new();
    for start in 0..bytes.len() {
        if !text.is_char_boundary(start) || start > 0 && is_part(bytes[start - 1]) {
            continue;
        }
        let Some(letters) =
            ["C-", "EE", "E", "R", "S", "D", "U"].into_iter().find(|code| text[start..].starts_with(code))
        else {
            continue;
        };
        let digits = &text[start + letters.len()..];
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let end = start + letters.len() + length;
        let ends = bytes.get(end).is_none_or(|byte| !is_part(*byte)) && (letters == "C-" || !is_value(start, end));
        // The product line and the storage service bear names like these.
        let code = format!("{letters}{}", &digits[..length]);
        if (1..=MOST_DIGITS).contains(&length) && ends && code != "D365" && code != "S3" {
            found.insert(code);
        }
    }
    found
}

/// Codes at the beginning of names of functions.
fn in_names(text: &str) -> BTreeSet<String> {
    text.split("fn ").skip(1).filter_map(|name| name.split('(').next()).flat_map(of_name).collect()
}

/// The codes at the beginning of one name, in their order: `c_103_to_c_105_d12_waits` bears C-103, C-104, C-105, and D12.
pub fn of_name(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut parts = name.split('_').peekable();
    // The number of the case before `to`.
    let mut from = None;
    while let Some(part) = parts.next() {
        if part == "to" && from.is_some() {
            continue;
        }
        if part == "c" && parts.peek().is_some_and(|next| is_number(next)) {
            let last = parts.next().and_then(|number| number.parse::<u16>().ok()).unwrap_or_default();
            let first = from.take().map_or(last, |first: u16| first + 1);
            found.extend((first..=last).map(|number| format!("C-{number:03}")));
            from = (parts.peek() == Some(&"to")).then_some(last);
            continue;
        }
        let letters = part.trim_end_matches(|letter: char| letter.is_ascii_digit());
        if matches!(letters, "ee" | "e" | "r" | "s" | "d" | "u") && is_number(&part[letters.len()..]) {
            found.push(part.to_ascii_uppercase());
            continue;
        }
        break;
    }
    found
}

fn is_number(text: &str) -> bool {
    (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The codes that a page explains: those in the first column of its tables.
pub fn explained(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .filter(|code| written(code).contains(*code))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_prose_messages_and_names_of_tests() {
        let text = "/// By R34 (EE16), see C-206; \"S20 is kept\", \"C-014\".\nfn u15_c_019_d12_waits() {} fn s3_bucket() {} fn c_plus() {}";
        let found: Vec<String> = of(text).into_iter().collect();
        assert_eq!(found, ["C-014", "C-019", "C-206", "D12", "EE16", "R34", "S20", "S3", "U15"]);
    }

    #[test]
    fn a_name_bears_every_case_of_its_range() {
        assert_eq!(of_name("c_103_to_c_105_d12_waits"), ["C-103", "C-104", "C-105", "D12"]);
        assert_eq!(of_name("c_007_c_009_to_the_end"), ["C-007", "C-009"]);
        assert_eq!(of_name("waits_for_d12"), [""; 0]);
    }

    #[test]
    fn numbers_of_records_hashes_and_products_are_no_codes() {
        assert_eq!(of("D365, \"S1\", #R2, S3, UTF8, E1234, R2D2, x_R3, 0xE5"), BTreeSet::new());
    }

    #[test]
    fn a_page_explains_what_begins_its_rows() {
        let page = "| Code | Rule |\n|---|---|\n| R6 | as R7 says |\nR8 stands in a text\n";
        assert_eq!(explained(page).into_iter().collect::<Vec<_>>(), ["R6"]);
    }
}
