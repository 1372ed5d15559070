//! Which crates of the project a crate builds on.

use crate::sources::Source;

/// A crate of the project and those of its own it builds on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Folder.
    pub folder: String,
    /// Name.
    pub name: String,
    /// Names of what it needs itself.
    pub needs: Vec<String>,
    /// Names of what only its tests need.
    pub tests_need: Vec<String>,
}

/// What a manifest says.
///
/// # Panics
/// When it is no manifest of a crate.
pub fn of(manifest: &Source) -> Manifest {
    let table: toml::Table = manifest.text.parse().unwrap_or_else(|error| panic!("{}: {error}", manifest.path));
    let name = table["package"]["name"].as_str().unwrap_or_else(|| panic!("{} has no name", manifest.path));
    let names = |section: &str| -> Vec<String> {
        table.get(section).and_then(toml::Value::as_table).into_iter().flat_map(|needs| needs.keys().cloned()).collect()
    };
    Manifest {
        folder: manifest.path.trim_end_matches("/Cargo.toml").to_owned(),
        name: name.to_owned(),
        needs: [names("dependencies"), names("build-dependencies")].concat(),
        tests_need: names("dev-dependencies"),
    }
}
