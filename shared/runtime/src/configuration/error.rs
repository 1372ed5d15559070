//! What is wrong with the settings, where, and how it would be right: always one line.

use std::path::PathBuf;

use super::keys::Key;

/// A problem of the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A setting is not there.
    #[error("the setting {} is missing ({}): set {} or write {} into {place}", key.name, key.what, variables(key), key.line())]
    Missing {
        /// Which one.
        key: &'static Key,
        /// The file that would be read.
        place: String,
    },
    /// A setting has a value it cannot have.
    #[error("the setting {} is wrong ({problem}, from {from}): {}, for example {}", key.name, key.what, key.line())]
    Wrong {
        /// Which one.
        key: &'static Key,
        /// What is wrong; never the value of a secret.
        problem: String,
        /// Where it was found.
        from: String,
    },
    /// There is no setting of that name.
    #[error("there is no setting {name} ({from}){}", nearest.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// Where it was found.
        from: String,
        /// The name most like it.
        nearest: Option<String>,
    },
    /// A file cannot be used.
    #[error("the settings file {} {problem}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// The environment variables that set it.
fn variables(key: &Key) -> String {
    if key.secret { format!("{} or {}", key.variable(), key.arn_variable()) } else { key.variable() }
}
