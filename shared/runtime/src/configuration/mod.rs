//! The settings of one installation, from a file and the environment into types that cannot be wrong.

mod addresses;
mod error;
mod keys;
mod secret_setting;
mod sources;
mod typed;

pub use error::ConfigurationError;
pub use keys::{KEYS, Key, QUEUE_URL, TASKS_QUEUE_URL};
pub use secret_setting::{SecretPlace, SecretSetting};
pub use sources::{Environment, Found, Sources, environment_of_process};
pub use typed::{
    BusinessCentralSection, CloudSection, Credentials, DataverseSection, Limits, NotificationsSection,
    RetentionSection, Settings,
};

/// Name of the settings file that is looked for in the working folder.
pub const FILE_NAME: &str = "couplet.toml";

#[cfg(test)]
mod tests;
