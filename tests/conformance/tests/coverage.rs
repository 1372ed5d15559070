//! No case loses its proof, and the report says what is there.

use std::collections::BTreeSet;

use couplet_conformance::{Cases, REPORT, decisions, gaps, proofs, written};
use couplet_structure::sources;

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
