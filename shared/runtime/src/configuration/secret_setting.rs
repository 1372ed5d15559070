//! A secret as the settings give it.

use couplet_odata::Secret;

/// A secret itself, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSetting {
    /// The secret itself.
    Given(Secret),
    /// Its place in Secrets Manager, which the environment alone can name.
    Kept(SecretPlace),
}

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
