//! No case loses its proof, and the report says what is there.

use std::collections::BTreeSet;

use couplet_conformance::{Cases, REPORT, decisions, gaps, proofs, written};
use couplet_structure::{codes, sources};

/// The page that says what is better on purpose.
const BEYOND: &str = "docs/beyond.md";

#[test]
fn every_case_of_a_proved_area_has_a_test_or_a_decision() {
    let found = gaps(&Cases::of_project(), &proofs(), &decisions());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_report_is_up_to_date_and_no_proof_was_lost() {
    let stored = sources::file(REPORT).text;
    let made = written(&Cases::of_project(), &proofs(), &decisions());
    let rows = |page: &str| -> BTreeSet<String> { page.lines().map(str::to_owned).collect() };
    let (before, now) = (rows(&stored), rows(&made));
    let lost: Vec<&String> = before.difference(&now).collect();
    let added: Vec<&String> = now.difference(&before).collect();
    assert!(
        stored == made,
        "{REPORT} is not up to date. When that is meant, `cargo run -p couplet-conformance` writes it anew.\n\
         no longer true: {lost:#?}\nnot in it: {added:#?}"
    );
}

#[test]
fn what_is_different_on_purpose_is_told_with_its_switch() {
    let page = sources::file(BEYOND).text;
    let told = codes::of(&page);
    let different = Cases::of_project().different;
    let missing: Vec<&str> =
        different.iter().map(|different| different.case.as_str()).filter(|case| !told.contains(*case)).collect();
    assert!(missing.is_empty(), "{BEYOND} does not tell of {}: add each to a row", missing.join(", "));

    let mut rows = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Rule |")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [rule, original, ours, why, switch] = cells.as_slice() else { panic!("{BEYOND}: five cells: {row}") };
        assert!(rule.is_empty() || !codes::of(rule).is_empty(), "{BEYOND}: a rule without a code: {row}");
        assert!([original, ours, why].iter().all(|cell| !cell.is_empty()), "{BEYOND}: a blank cell: {row}");
        let decides = switch.contains('`') || switch.starts_with("none: ") || *switch == "as above";
        assert!(decides, "{BEYOND}: name the switch, or say `none: ` and why there is none: {row}");
        rows += 1;
    }
    assert!(rows > 50, "the rows were found");
}
