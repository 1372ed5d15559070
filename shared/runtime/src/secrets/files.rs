//! Secrets, certificates and tokens in files.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use couplet_odata::{KeeperError, SecretKeeper};
use secrecy::SecretString;

/// The longest file that is read, in bytes. A certificate with its chain has a few thousand.
const LONGEST: u64 = 1024 * 1024;

/// One file, read anew whenever it is asked for.
pub(super) struct File {
    path: PathBuf,
    what: &'static str,
    setting: &'static str,
}

impl File {
    /// A certificate with its private key.
    pub fn certificate(path: &Path) -> Self {
        Self { path: path.to_owned(), what: "certificate", setting: "certificate_file" }
    }

    /// A secret, which nothing else stands beside.
    pub fn secret(path: &Path) -> Self {
        Self { path: path.to_owned(), what: "secret file", setting: "client_secret_file" }
    }

    /// A token that somebody else keeps fresh.
    pub fn token(path: &Path) -> Self {
        Self { path: path.to_owned(), what: "web identity token", setting: "web_identity" }
    }

    fn text(&self) -> Result<String, String> {
        let length = std::fs::metadata(&self.path).map_err(|error| error.to_string())?.len();
        if length > LONGEST {
            return Err(format!("it has {length} bytes, which none has"));
        }
        let bytes = std::fs::read(&self.path).map_err(|error| error.to_string())?;
        // What is no text is a PFX.
        let text = String::from_utf8(bytes).unwrap_or_else(|binary| STANDARD.encode(binary.as_bytes()));
        let text = text.trim();
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
    }
}

#[async_trait]
impl SecretKeeper for File {
    async fn read(&self) -> Result<SecretString, KeeperError> {
        let Self { path, what, setting } = self;
        let refused = |reason| {
            let path = path.display();
            KeeperError::Refused(format!("the {what} {path} cannot be read ({reason}): check the setting {setting}"))
        };
        self.text().map(SecretString::from).map_err(refused)
    }
}
