//! The settings of one installation, from a file and the environment into types that cannot be wrong.

mod addresses;
mod connection_string;
mod error;
mod keys;
mod proof_setting;
mod secret_setting;
mod sources;
mod typed;

pub use addresses::{GivenAddress, given as given_address};
pub use connection_string::{ConnectionString, ConnectionStringError, Translated};
pub use error::ConfigurationError;
pub use keys::{KEYS, Key, QUEUE_URL, TASKS_QUEUE_URL, key};
pub use proof_setting::{ProofSetting, WebIdentitySetting};
pub use secret_setting::{SecretPlace, SecretSetting};
pub use sources::{Environment, Found, Sources, environment_of_process, open_to_others};
pub use typed::{
    BusinessCentralSection, CloudSection, Credentials, DataverseSection, Limits, NotificationsSection,
    RetentionSection, Settings,
};

/// Name of the settings file that is looked for in the working folder.
pub const FILE_NAME: &str = "couplet.toml";

#[cfg(test)]
mod tests;
