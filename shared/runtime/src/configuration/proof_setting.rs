//! How an application proves itself, as the settings say it.

use std::path::PathBuf;

use super::secret_setting::SecretSetting;

/// One way for an application to prove itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofSetting {
    /// A secret, or a certificate as text.
    Secret {
        /// The text, or where it is.
        secret: SecretSetting,
        /// Password of the certificate, where it is a PFX that has one.
        password: Option<SecretSetting>,
    },
    /// A file that holds a secret and nothing else.
    SecretFile(PathBuf),
    /// A file with a certificate and its private key, in PEM or as PFX.
    CertificateFile {
        /// The file.
        file: PathBuf,
        /// Its password, where it is a PFX that has one.
        password: Option<SecretSetting>,
    },
    /// A token of another service that the application trusts.
    WebIdentity(WebIdentitySetting),
}

/// Who gives that token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebIdentitySetting {
    /// AWS STS, to the role of this process.
    Aws,
    /// A file, which somebody else keeps fresh.
    File(PathBuf),
}

impl<T: Into<SecretSetting>> From<T> for ProofSetting {
    fn from(secret: T) -> Self {
        Self::Secret { secret: secret.into(), password: None }
    }
}
