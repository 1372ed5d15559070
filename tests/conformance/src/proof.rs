//! The tests whose names bear codes.

use std::collections::BTreeMap;

use couplet_structure::codes;
use couplet_structure::sources::{self, Source};

/// A test that proves something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proof {
    /// File of the test, below the project's top folder.
    pub path: String,
    /// Name of the test.
    pub name: String,
}

/// The tests of the project by the codes they bear.
///
/// # Panics
/// When a source cannot be read.
#[must_use]
pub fn proofs() -> BTreeMap<String, Vec<Proof>> {
    let folders = ["functions", "infra", "shared", "tests"];
    let everything: Vec<Source> = folders.into_iter().flat_map(|folder| sources::below(folder, ".rs")).collect();
    proofs_in(&everything)
}

/// The tests of these sources by the codes they bear.
#[must_use]
pub fn proofs_in(sources: &[Source]) -> BTreeMap<String, Vec<Proof>> {
    let mut found: BTreeMap<String, Vec<Proof>> = BTreeMap::new();
    for source in sources {
        for name in tests(&source.text) {
            for code in codes::of_name(name) {
                found.entry(code).or_default().push(Proof { path: source.path.clone(), name: name.to_owned() });
            }
        }
    }
    found
}

/// The names of the tests of a source: functions with an attribute that makes them a test, and none that leaves them out.
fn tests(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut is_test, mut is_left_out) = (false, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test") || line.starts_with("#[tokio::test");
            is_left_out |= line.starts_with("#[ignore");
        } else if let Some(name) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
            if is_test && !is_left_out {
                found.extend(name.split(['(', '<']).next());
            }
            (is_test, is_left_out) = (false, false);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_what_helps_them_and_from_those_left_out() {
        let text =
            "#[test]\nfn c_001_d2_works() {}\nfn c_002_helps() {}\n#[tokio::test]\n#[ignore]\nasync fn c_003_x() {}
            \n#[tokio::test(flavor = \"x\")]\n/// Says.\nasync fn s4_works() {}";
        let found = proofs_in(&[Source::new("a.rs", text)]);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["C-001", "D2", "S4"]);
        assert_eq!(found["D2"], [Proof { path: "a.rs".to_owned(), name: "c_001_d2_works".to_owned() }]);
    }
}
