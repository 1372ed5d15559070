//! What can be wrong with the file beneath the embedded database, and what to do about it.

use std::path::{Path, PathBuf};

/// A file that no repetition mends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageTrouble {
    kind: Kind,
    file: PathBuf,
    /// What SQLite said.
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Full,
    Unwritable,
    Damaged,
    Empty,
}

/// What SQLite says, in small letters, and what it means. The texts are those of `sqlite3_errstr` and of the embedded
/// database, which turns the codes into its own words when it opens a file.
const TEXTS: [(&str, Kind); 8] = [
    ("database or disk is full", Kind::Full),
    ("disk i/o error", Kind::Unwritable),
    ("attempt to write a readonly database", Kind::Unwritable),
    ("unable to open database file", Kind::Unwritable),
    ("database disk image is malformed", Kind::Damaged),
    ("malformed database schema", Kind::Damaged),
    ("file is not a database", Kind::Damaged),
    ("not a valid", Kind::Damaged),
];

impl StorageTrouble {
    /// What a failure of the database says about its file, if that is to blame.
    pub(crate) fn of_failure(file: &Path, reason: &str) -> Option<Self> {
        let text = reason.to_lowercase();
        let (_, kind) = TEXTS.iter().find(|(part, _)| text.contains(part))?;
        Some(Self { kind: *kind, file: file.to_owned(), reason: reason.to_owned() })
    }

    /// A file that is there and holds nothing: whoever opened it would take the store for a new one.
    pub(crate) fn of_empty(file: &Path) -> Option<Self> {
        let is_empty = std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() == 0);
        is_empty.then(|| Self { kind: Kind::Empty, file: file.to_owned(), reason: String::new() })
    }
}

impl std::fmt::Display for StorageTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (file, reason) = (self.file.display(), &self.reason);
        match self.kind {
            Kind::Full => write!(
                f,
                "the disk of {file} is full: make room and start again; what was stored is whole, and what was not is done then"
            ),
            Kind::Unwritable => write!(
                f,
                "{file} cannot be written ({reason}): check the disk, its free space and who may write there, and start again; what was stored is whole"
            ),
            Kind::Damaged => write!(
                f,
                "the store {file} is damaged ({reason}): put back a copy of its folder; what to do without one is in docs/operations.md under \"A damaged store\""
            ),
            Kind::Empty => write!(
                f,
                "the store {file} is empty, as after a crash of the machine: put back a copy of its folder, or remove the file if nothing was ever synchronized here; what to do without a copy is in docs/operations.md under \"A damaged store\""
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f16_failures_of_the_file_are_told_from_others_and_say_what_to_do() {
        let file = Path::new("data/couplet.db");
        for (reason, told) in [
            ("Internal error: database or disk is full", Some("is full: make room")),
            ("backend: I/O error: disk I/O error", Some("cannot be written")),
            ("Internal error: attempt to write a readonly database", Some("cannot be written")),
            ("Internal error: database disk image is malformed", Some("is damaged")),
            ("Database file is encrypted or not a valid SQLite database.", Some("is damaged")),
            ("Internal error: database is locked", None),
            ("The conditional request failed", None),
        ] {
            let trouble = StorageTrouble::of_failure(file, reason).map(|trouble| trouble.to_string());
            match (trouble, told) {
                (Some(text), Some(part)) => assert!(text.contains(part) && text.contains("couplet.db"), "{text}"),
                (trouble, told) => assert_eq!(trouble.is_some(), told.is_some(), "{reason}"),
            }
        }
    }
}
