//! Where a command looks: at the installation on this machine, or at a deployed stack.

use std::path::{Path, PathBuf};

use anyhow::bail;
use couplet_engine::Engine;
use couplet_local::DataFolder;
use couplet_runtime::Application;

use crate::arguments::{Arguments, Profile};
use crate::deployed::Stack;
use crate::installation;

/// Where a command looks.
#[derive(Clone, Debug)]
pub enum Place {
    /// On this machine; the settings file, if one was named.
    Here(Option<PathBuf>),
    /// At the stack of this name.
    Deployed(String),
}

impl Place {
    /// The place the arguments name.
    pub fn of(arguments: &Arguments) -> Self {
        match arguments.profile {
            Profile::Local => Self::Here(arguments.config.clone()),
            Profile::Aws => Self::Deployed(arguments.stack.clone()),
        }
    }

    /// The application for looking only.
    ///
    /// # Errors
    /// When the settings are wrong, or the place cannot be reached.
    pub async fn look(&self) -> anyhow::Result<Application> {
        match self {
            Self::Here(config) => installation::look(config.as_deref()).await,
            Self::Deployed(name) => Stack::reach(name).await?.application().await,
        }
    }

    /// Works on what is stored there, without entering the systems; on this machine while nobody else works on it.
    ///
    /// # Errors
    /// When the settings are wrong, the place cannot be reached, another process works on the data, or the work fails.
    pub async fn alone<T>(&self, work: impl AsyncFnOnce(&Engine) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let (application, _folder) = self.take().await?;
        work(&application.engine).await
    }

    /// The application to change what is stored there, and on this machine the data folder, which nobody else works on for as
    /// long as it is kept.
    ///
    /// # Errors
    /// When the settings are wrong, the place cannot be reached, or another process works on the data.
    pub async fn take(&self) -> anyhow::Result<(Application, Option<DataFolder>)> {
        match self {
            Self::Here(config) => {
                let (application, folder) = installation::alone(config.as_deref()).await?;
                Ok((application, Some(folder)))
            }
            Self::Deployed(_) => Ok((self.look().await?, None)),
        }
    }

    /// The settings file of this machine, for a command that works nowhere else.
    ///
    /// # Errors
    /// When a stack is meant.
    pub fn here(&self, command: &str) -> anyhow::Result<Option<&Path>> {
        match self {
            Self::Here(config) => Ok(config.as_deref()),
            Self::Deployed(_) => {
                bail!("couplet {command} is for this machine only: leave out --profile aws (or COUPLET_PROFILE)")
            }
        }
    }
}
