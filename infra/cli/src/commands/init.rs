//! `couplet init`: a commented example of the settings file, with what a connection string says.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use couplet_runtime::configuration::{ConnectionString, FILE_NAME, KEYS, Key, key};
use serde_json::json;

use crate::output;

/// The longest connection string that is read, in bytes.
const LONGEST_CONNECTION_STRING: u64 = 64 * 1024;

/// Values to be written in place of examples, by the name of the setting.
type Values = BTreeMap<&'static str, String>;

/// Writes the example into the file named here, or the one every command takes the settings from; unless there is one
/// already. `connection_string` is a file with one, or `-` for the standard input: what it says is filled in, except for its
/// secret.
pub fn init(file: Option<&Path>, config: Option<&Path>, connection_string: Option<&Path>) -> anyhow::Result<ExitCode> {
    let file = match (file, config) {
        (Some(file), Some(config)) if file != config => bail!(
            "{} and --config {} name two files; leave one of them out (--config may come from COUPLET_CONFIG)",
            file.display(),
            config.display()
        ),
        (Some(file), _) | (None, Some(file)) => file,
        (None, None) => Path::new(FILE_NAME),
    };
    let place = file.display();
    let values = connection_string.map(said_by).transpose()?.unwrap_or_default();
    match create(file) {
        Ok(mut created) => {
            created.write_all(example(&values).as_bytes()).with_context(|| format!("{place} cannot be written"))?
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{place} is there already; remove it first, or name another file")
        }
        Err(error) => bail!("{place} cannot be written: {error}; name a file in a folder you may write to"),
    }
    output::note(&format!("{place} is written; fill in the settings without a # before them, then run couplet check"));
    Ok(ExitCode::SUCCESS)
}

/// What a connection string says, in settings. Its secret is not among them: a setting that may be seen is no place for it.
fn said_by(source: &Path) -> anyhow::Result<Values> {
    let said = connection_string(source)?;
    let translated = said.translated()?;
    output::note(&format!("the connection string says: {said}"));
    let mut values = Values::from([("dataverse.url", translated.url)]);
    values.extend(translated.client_id.map(|id| ("entra.client_id", id)));
    for note in translated.notes {
        output::note(&note);
    }
    if translated.client_secret.is_some() {
        let variable = key("entra.client_secret").map(Key::variable).unwrap_or_default();
        output::note(&format!(
            "the secret is not written into the file; set the environment variable {variable} to it"
        ));
    }
    Ok(values)
}

/// The connection string in a file, or on the standard input for `-`.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn connection_string(source: &Path) -> anyhow::Result<ConnectionString> {
    Ok(ConnectionString::parse(&text_of(source)?)?)
}

fn text_of(source: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read =
        |reader: &mut dyn Read, text: &mut String| reader.take(LONGEST_CONNECTION_STRING + 1).read_to_string(text);
    let length = if source == Path::new("-") {
        read(&mut std::io::stdin().lock(), &mut text).context("the standard input cannot be read as text")?
    } else {
        let place = source.display();
        let mut file = File::open(source).with_context(|| {
            format!(
                "{place} cannot be opened; name a file that holds the connection string, or - for the standard input"
            )
        })?;
        read(&mut file, &mut text).with_context(|| format!("{place} cannot be read as text"))?
    };
    if length as u64 > LONGEST_CONNECTION_STRING {
        bail!("{} holds more than a connection string", source.display());
    }
    Ok(text)
}

/// Creates the file, for its owner alone: a secret may be written into it.
fn create(file: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// Every setting with what it is; those that may be left out, and secrets, behind a `#`.
fn example(values: &Values) -> String {
    let mut text = "# Settings of Couplet. Every one can also come from the environment, which wins.\n".to_owned();
    let mut section = "";
    for key in KEYS {
        let (its_section, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        if its_section != section {
            section = its_section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        let hidden = if key.required && !key.secret { "" } else { "# " };
        // A text in JSON is one in TOML, too.
        let value = values.get(key.name).map(|value| json!(value).to_string());
        let value = value.as_deref().unwrap_or(key.example);
        text.push_str(&format!("# {} ({})\n{hidden}{name} = {value}\n", key.what, key.variable()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn f29_the_settings_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("couplet-init-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a folder");
        let file = folder.join(FILE_NAME);
        init(Some(&file), None, None).expect("written");
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }

    #[test]
    fn the_example_is_a_settings_file_that_lacks_only_the_secret() {
        let parsed: toml::Table = example(&Values::new()).parse().expect("TOML");
        assert!(parsed["company"].is_str());
        assert!(parsed["dataverse"]["url"].is_str());
        let secret = parsed["entra"].as_table().expect("a section").get("client_secret");
        assert_eq!(secret, None, "a secret belongs into the environment");
    }
}
