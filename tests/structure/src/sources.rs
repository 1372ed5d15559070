//! The files of the project, by their paths below its top folder.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the project.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path below the top folder, with `/` between its parts.
    pub path: String,
    /// Text.
    pub text: String,
}

impl Source {
    /// A file with this text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether the whole file is for tests only.
    pub fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        // A folder `tests` inside a crate, a module `tests.rs`, or a module in a folder `tests` beside its parent.
        parts.last() == Some(&"tests.rs") || parts.iter().skip(1).any(|part| *part == "tests")
    }
}

/// The top folder of the project.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One file.
///
/// # Panics
/// When it cannot be read.
pub fn file(path: &str) -> Source {
    let text = fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Source { path: path.to_owned(), text }
}

/// All files below a folder whose names end so, by path.
///
/// # Panics
/// When the folder cannot be read.
pub fn below(folder: &str, ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(top().join(&folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{folder}/{name}");
            let kind = entry.file_type().unwrap_or_else(|error| panic!("{path}: {error}"));
            if kind.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if kind.is_file() && name.ends_with(ending) {
                found.push(file(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
