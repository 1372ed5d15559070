//! The page that says what is proved, and what is missing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cases::{Cases, Different};
use crate::proof::Proof;

/// Where decisions lie, seen from the report.
pub const LINK_TO_DECISIONS: &str = "../../docs/decisions";

const HEAD: &str = "# What tests prove

`cargo run -p couplet-conformance` writes this page from the names of the tests; a test fails when it is not up to date.
[rules.md](../../docs/rules.md) says what the codes mean. What Couplet does otherwise on purpose stands in `cases.toml`.
";

/// The page as it has to be. `decisions` holds the names of the files of decisions by their numbers.
#[must_use]
pub fn written(cases: &Cases, proofs: &BTreeMap<String, Vec<Proof>>, decisions: &BTreeMap<String, String>) -> String {
    let mut page = HEAD.to_owned();
    for area in &cases.area {
        let (mut rows, mut open, mut all) = (String::new(), Vec::new(), 0);
        for case in area.cases() {
            all += 1;
            let different = cases.different.iter().find(|different| different.case == case);
            let applies_not = cases.not_applicable.iter().find(|left_out| left_out.case == case);
            let words = different.map(|different| otherwise(different, decisions));
            let left_out = applies_not.map(|left_out| format!("Not applicable: {}", left_out.why));
            let tests = proofs.get(&case).map(|tests| named(tests));
            let proof: Vec<String> = words.into_iter().chain(left_out).chain(tests).collect();
            match proof.is_empty() {
                true => open.push(case),
                false => drop(writeln!(rows, "| {case} | {} |", proof.join("<br>"))),
            }
        }
        let _ = writeln!(page, "\n## {}: {} of {all} cases", area.name, all - open.len());
        if !rows.is_empty() {
            let _ = write!(page, "\n| Case | Proof |\n|---|---|\n{rows}");
        }
        if !open.is_empty() {
            let _ = writeln!(page, "\nNo test bears the name of {}.", open.join(", "));
        }
    }
    for (letter, title) in
        [('R', "Rules of all tables"), ('S', "Rules of single tables"), ('D', "Defects"), ('U', "What users ask for")]
    {
        let mut of_kind: Vec<_> =
            proofs.iter().filter_map(|(code, tests)| Some((number(code, letter)?, tests))).collect();
        of_kind.sort_unstable_by_key(|(number, _)| *number);
        let _ = write!(page, "\n## {title}\n\n| Code | Proof |\n|---|---|\n");
        for (number, tests) in of_kind {
            let _ = writeln!(page, "| {letter}{number} | {} |", named(tests));
        }
    }
    page
}

/// What is wrong with the cases: those of proved areas without proof, and decisions that are missing or not needed.
#[must_use]
pub fn gaps(cases: &Cases, proofs: &BTreeMap<String, Vec<Proof>>, decisions: &BTreeMap<String, String>) -> Vec<String> {
    let known: Vec<String> = cases.area.iter().flat_map(crate::Area::cases).collect();
    let mut found = Vec::new();
    for area in cases.area.iter().filter(|area| area.proved) {
        let open = area.cases().filter(|case| {
            !proofs.contains_key(case)
                && !cases.different.iter().any(|different| different.case == *case)
                && !cases.not_applicable.iter().any(|left_out| left_out.case == *case)
        });
        found.extend(open.map(|case| format!("{case} ({}) has no test of its name and no decision", area.name)));
    }
    for different in &cases.different {
        if !known.contains(&different.case) {
            found.push(format!("{} is no case", different.case));
        }
        if !decisions.contains_key(&different.decision) {
            found.push(format!("{}: there is no decision {}", different.case, different.decision));
        }
    }
    let left_out = cases.not_applicable.iter().filter(|left_out| !known.contains(&left_out.case));
    found.extend(left_out.map(|left_out| format!("{} is no case", left_out.case)));
    found.extend(
        proofs
            .iter()
            .filter(|(code, _)| code.starts_with("C-") && !known.contains(code))
            .map(|(code, tests)| format!("{code} is no case: {}", named(tests))),
    );
    found
}

fn number(code: &str, letter: char) -> Option<u16> {
    code.strip_prefix(letter)?.parse().ok()
}

fn named(tests: &[Proof]) -> String {
    let all: Vec<String> = tests.iter().map(|test| format!("`{}` in `{}`", test.name, test.path)).collect();
    all.join("<br>")
}

fn otherwise(different: &Different, decisions: &BTreeMap<String, String>) -> String {
    let page = decisions.get(&different.decision).map_or("", String::as_str);
    format!("Different on purpose: {} ([{}]({LINK_TO_DECISIONS}/{page}))", different.why, different.decision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Area;

    fn cases(proved: bool) -> Cases {
        Cases {
            area: vec![Area { name: "prices".to_owned(), first: 1, last: 3, proved }],
            different: vec![Different {
                case: "C-002".to_owned(),
                decision: "0007".to_owned(),
                why: "it waits".to_owned(),
            }],
            not_applicable: Vec::new(),
        }
    }

    fn proofs(codes: &[&str]) -> BTreeMap<String, Vec<Proof>> {
        let test = Proof { path: "a.rs".to_owned(), name: "x".to_owned() };
        codes.iter().map(|code| ((*code).to_owned(), vec![test.clone()])).collect()
    }

    fn decisions() -> BTreeMap<String, String> {
        BTreeMap::from([("0007".to_owned(), "0007-waits.md".to_owned())])
    }

    #[test]
    fn a_case_of_a_proved_area_needs_a_test_or_a_decision() {
        let expected = ["C-003 (prices) has no test of its name and no decision"];
        assert_eq!(gaps(&cases(true), &proofs(&["C-001"]), &decisions()), expected);
        assert_eq!(gaps(&cases(false), &proofs(&["C-001"]), &decisions()), [""; 0]);
    }

    #[test]
    fn unknown_cases_and_decisions_are_named() {
        let found = gaps(&cases(false), &proofs(&["C-004"]), &BTreeMap::new());
        assert_eq!(found, ["C-002: there is no decision 0007", "C-004 is no case: `x` in `a.rs`"]);
    }

    #[test]
    fn the_page_lists_proofs_by_number_and_names_what_is_open() {
        let page = written(&cases(true), &proofs(&["C-001", "S10", "S9", "R4", "E7"]), &decisions());
        assert!(page.contains("## prices: 2 of 3 cases\n\n| Case | Proof |\n|---|---|\n| C-001 | `x` in `a.rs` |\n| C-002 | Different on purpose: it waits ([0007](../../docs/decisions/0007-waits.md)) |\n\nNo test bears the name of C-003.\n"), "{page}");
        assert!(page.contains("| S9 | `x` in `a.rs` |\n| S10 |"), "{page}");
        assert!(page.contains("| R4 | `x` in `a.rs` |") && !page.contains("E7"), "{page}");
    }
}
