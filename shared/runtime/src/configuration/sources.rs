//! Where settings are found: a file, and the environment, which wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use couplet_model::catalogue::nearest;
use toml::Value as Toml;

use super::error::ConfigurationError;
use super::keys::{KEYS, Key, OTHER_VARIABLES, key};

/// Ends of the names of settings that name a file which nobody but its owner should read.
const PRIVATE_FILES: [&str; 2] = [".certificate_file", ".client_secret_file"];

/// A setting as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its value as text.
    pub text: String,
    /// Where it was found.
    pub from: String,
}

/// The variables of the process, or of a test.
pub type Environment = BTreeMap<String, String>;

/// The environment variables of this process. Those of other tools may hold anything: what is no text is replaced in names
/// and values instead of ending the process.
pub fn environment_of_process() -> Environment {
    let text = |raw: std::ffi::OsString| raw.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// All settings found, by name.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    found: BTreeMap<&'static str, Found>,
    arns: BTreeMap<&'static str, Found>,
    file: Option<PathBuf>,
    warnings: Vec<String>,
    unknown: Vec<String>,
}

impl Sources {
    /// Reads the environment alone, as a function does.
    pub fn of_environment(environment: &Environment) -> Self {
        let mut sources = Self::default();
        sources.read_environment(environment);
        sources
    }

    /// Reads a file, then the environment. A file that is not there counts as empty unless it `must_exist`.
    ///
    /// # Errors
    /// When the file cannot be read, or anything in it is no setting.
    pub fn of_file(path: &Path, must_exist: bool, environment: &Environment) -> Result<Self, ConfigurationError> {
        let mut sources = Self { file: Some(path.to_owned()), ..Self::default() };
        let refuse = |problem: String| ConfigurationError::File { path: path.to_owned(), problem };
        match std::fs::read_to_string(path) {
            Ok(text) => {
                sources.read_text(path, &text)?;
                let holds_secret = KEYS.iter().any(|key| key.secret && sources.found.contains_key(key.name));
                if holds_secret {
                    sources.warnings.extend(open_to_others(path));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(refuse("is not there; write one with couplet init".to_owned()));
            }
            Err(error) => return Err(refuse(format!("cannot be read: {error}"))),
        }
        sources.read_environment(environment);
        for key in KEYS.iter().filter(|key| PRIVATE_FILES.iter().any(|name| key.name.ends_with(name))) {
            let warning = sources.get(key.name).and_then(|found| open_to_others(Path::new(&found.text)));
            sources.warnings.extend(warning);
        }
        Ok(sources)
    }

    /// Reads what a file at `path` would say if it held this text, then the environment.
    ///
    /// # Errors
    /// When the text is damaged, or anything in it is no setting.
    pub fn of_text(path: &Path, text: &str, environment: &Environment) -> Result<Self, ConfigurationError> {
        let mut sources = Self { file: Some(path.to_owned()), ..Self::default() };
        sources.read_text(path, text)?;
        sources.read_environment(environment);
        Ok(sources)
    }

    fn read_text(&mut self, path: &Path, text: &str) -> Result<(), ConfigurationError> {
        let table: toml::Table = text
            .parse()
            .map_err(|error| ConfigurationError::File { path: path.to_owned(), problem: damage(text, &error) })?;
        self.read_table(path, "", &table)
    }

    /// Variables with our prefix that are no settings of this version.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// What works and should be looked at all the same, in words for the operator.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A setting, if it was found.
    pub fn get(&self, name: &str) -> Option<&Found> {
        self.found.get(name)
    }

    /// The ARN of a secret setting, if the environment has it instead of the secret itself.
    pub fn arn(&self, name: &str) -> Option<&Found> {
        self.arns.get(name)
    }

    /// The file that was read or looked for, for messages.
    pub fn place(&self) -> String {
        self.file.as_ref().map_or_else(|| "the function's environment".to_owned(), |path| path.display().to_string())
    }

    fn read_environment(&mut self, environment: &Environment) {
        let ours = environment.iter().filter(|(name, _)| name.starts_with("COUPLET_"));
        for (name, text) in ours.filter(|(name, _)| !OTHER_VARIABLES.contains(&name.as_str())) {
            let from = || format!("the environment variable {name}");
            if let Some(key) = KEYS.iter().find(|key| key.secret && key.arn_variable() == *name) {
                // A secret that is set itself wins over its ARN; as everything here, the ARN wins over the file.
                let is_set = environment.get(&key.variable()).is_some_and(|secret| !secret.trim().is_empty());
                if !text.trim().is_empty() && !is_set {
                    self.found.remove(key.name);
                    self.arns.insert(key.name, Found { text: text.trim().to_owned(), from: from() });
                }
                continue;
            }
            let Some(key) = KEYS.iter().find(|key| key.variable() == *name) else {
                let arns = KEYS.iter().filter(|key| key.secret).map(Key::arn_variable);
                let variables: Vec<String> = KEYS.iter().map(Key::variable).chain(arns).collect();
                // It may belong to another tool, or to a newer version.
                let near = nearest(name, variables.iter().map(String::as_str));
                let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                self.unknown.push(name.clone());
                let name = name.escape_debug();
                self.warnings.push(format!("the environment variable {name} is no setting and is ignored{near}"));
                continue;
            };
            // A variable set to nothing is how a shell or a template leaves a setting out.
            if !text.trim().is_empty() {
                self.found.insert(key.name, Found { text: text.trim().to_owned(), from: from() });
            }
        }
    }

    fn read_table(&mut self, path: &Path, section: &str, table: &toml::Table) -> Result<(), ConfigurationError> {
        for (name, value) in table {
            let full = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            let text = match value {
                Toml::Table(inner) => {
                    self.read_table(path, &full, inner)?;
                    continue;
                }
                Toml::String(text) => text.trim().to_owned(),
                Toml::Boolean(flag) => flag.to_string(),
                Toml::Integer(number) => number.to_string(),
                other => other.to_string(),
            };
            let Some(key) = key(&full) else {
                return Err(ConfigurationError::Unknown {
                    nearest: nearest(&full, KEYS.iter().map(|key| key.name)).map(str::to_owned),
                    name: full,
                    from: path.display().to_string(),
                });
            };
            if !text.is_empty() {
                self.found.insert(key.name, Found { text, from: path.display().to_string() });
            }
        }
        Ok(())
    }
}

/// A warning if the file is open to others than its owner.
#[cfg(unix)]
pub fn open_to_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| {
        let file = path.display();
        format!(
            "{file} holds a secret and is open to others (mode {:03o}): chmod 600 {file}, or set the secret in the \
             environment",
            mode & 0o777
        )
    })
}

/// Other systems keep rights elsewhere.
#[cfg(not(unix))]
pub fn open_to_others(_path: &Path) -> Option<String> {
    None
}

/// Line and reason, without the excerpt of the file: it might hold a secret.
fn damage(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
    let reason = error.message().lines().next().unwrap_or("not TOML");
    format!("is damaged at line {line}: {reason}")
}
