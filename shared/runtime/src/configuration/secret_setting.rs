//! A secret as the settings give it.

use secrecy::{ExposeSecret, SecretString};

/// A secret itself, or where it is.
#[derive(Clone, Debug)]
pub enum SecretSetting {
    /// The secret itself.
    Given(SecretString),
    /// Its place in Secrets Manager, which the environment alone can name.
    Kept(SecretPlace),
}

impl PartialEq for SecretSetting {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Given(one), Self::Given(other)) => one.expose_secret() == other.expose_secret(),
            (Self::Kept(one), Self::Kept(other)) => one == other,
            (Self::Given(_), Self::Kept(_)) | (Self::Kept(_), Self::Given(_)) => false,
        }
    }
}

impl Eq for SecretSetting {}

/// Where a secret is in Secrets Manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPlace {
    /// Its ARN.
    pub arn: String,
    /// The environment variable that names it.
    pub variable: String,
}

impl From<String> for SecretSetting {
    fn from(text: String) -> Self {
        Self::Given(text.into())
    }
}

impl From<&str> for SecretSetting {
    fn from(text: &str) -> Self {
        Self::Given(text.into())
    }
}
