//! Which tests prove which known behaviour. A test says so by the codes its name begins with, as in
//! `c_206_u15_a_currency_without_a_rate_waits`; `docs/rules.md` says what the codes mean.

mod cases;
mod proof;
mod report;

use std::collections::BTreeMap;

use couplet_structure::sources;

pub use cases::{Area, Cases, Different, NotApplicable};
pub use proof::{Proof, proofs, proofs_in};
pub use report::{LINK_TO_DECISIONS, gaps, written};

/// The report, below the project's top folder.
pub const REPORT: &str = "tests/conformance/COVERAGE.md";

/// The names of the files of decisions by their numbers.
///
/// # Panics
/// When their folder cannot be read.
#[must_use]
pub fn decisions() -> BTreeMap<String, String> {
    sources::below("docs/decisions", ".md")
        .iter()
        .filter_map(|page| page.path.rsplit('/').next())
        .filter_map(|name| Some((name.split_once('-')?.0.to_owned(), name.to_owned())))
        .collect()
}
