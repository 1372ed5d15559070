//! `couplet init`: a commented example of the settings file.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use couplet_runtime::configuration::{FILE_NAME, KEYS};

use crate::output;

/// Writes the example into the file named here, or the one every command takes the settings from; unless there is one
/// already.
pub fn init(file: Option<&Path>, config: Option<&Path>) -> anyhow::Result<ExitCode> {
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
    match create(file) {
        Ok(mut created) => {
            created.write_all(example().as_bytes()).with_context(|| format!("{place} cannot be written"))?
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{place} is there already; remove it first, or name another file")
        }
        Err(error) => bail!("{place} cannot be written: {error}; name a file in a folder you may write to"),
    }
    output::note(&format!("{place} is written; fill in the settings without a # before them, then run couplet check"));
    Ok(ExitCode::SUCCESS)
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
fn example() -> String {
    let mut text = "# Settings of Couplet. Every one can also come from the environment, which wins.\n".to_owned();
    let mut section = "";
    for key in KEYS {
        let (its_section, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        if its_section != section {
            section = its_section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        let hidden = if key.required && !key.secret { "" } else { "# " };
        text.push_str(&format!("# {} ({})\n{hidden}{name} = {}\n", key.what, key.variable(), key.example));
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
        init(Some(&file), None).expect("written");
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }

    #[test]
    fn the_example_is_a_settings_file_that_lacks_only_the_secret() {
        let parsed: toml::Table = example().parse().expect("TOML");
        assert!(parsed["company"].is_str());
        assert!(parsed["dataverse"]["url"].is_str());
        let secret = parsed["entra"].as_table().expect("a section").get("client_secret");
        assert_eq!(secret, None, "a secret belongs into the environment");
    }
}
