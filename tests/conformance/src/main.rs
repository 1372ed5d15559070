//! Writes the report.

use std::io::Write;

use couplet_conformance::{Cases, REPORT, decisions, proofs, written};

fn main() -> std::io::Result<()> {
    let page = written(&Cases::of_project(), &proofs(), &decisions());
    std::fs::write(couplet_structure::sources::top().join(REPORT), page)?;
    writeln!(std::io::stdout(), "{REPORT} is written")
}
