//! One deployed stack, looked at from outside with a person's own AWS credentials.
//!
//! Nothing is asked of CloudFormation: the functions' names follow from the stack's, and their environment holds every
//! setting.

mod invoking;
mod logs;
mod refusal;
mod settings;

use anyhow::bail;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_lambda::config::ProvideCredentials;
use couplet_runtime::{Application, Cloud};

pub use invoking::{Waited, end_of_run, within};
pub use logs::{FUNCTIONS, Position};

use crate::installation::by_current_mappings;
use refusal::causes;

/// A stack, reached with credentials that are there; whether they may do anything is seen later.
pub struct Stack {
    name: String,
    region: String,
    aws: SdkConfig,
}

impl Stack {
    /// Finds region and credentials where the AWS command line finds them: variables, profiles, single sign-on.
    ///
    /// # Errors
    /// When there is no region or there are no credentials.
    pub async fn reach(name: &str) -> anyhow::Result<Self> {
        let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let Some(region) = aws.region().map(ToString::to_string) else {
            bail!("there is no AWS region: set AWS_REGION, or a region in the profile that AWS_PROFILE names");
        };
        let found = match aws.credentials_provider() {
            Some(provider) => provider.provide_credentials().await.map(drop).map_err(|error| causes(&error)),
            None => Err("none are configured".to_owned()),
        };
        if let Err(reason) = found {
            bail!(
                "there are no AWS credentials ({reason}): log in with aws sso login, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            );
        }
        Ok(Self { name: name.to_owned(), region, aws })
    }

    /// The application for looking: the stack's own table, queues, settings and mappings, and this program's catalogue.
    ///
    /// # Errors
    /// When there is no such stack, we may not read its settings, or they are of another version.
    pub async fn application(&self) -> anyhow::Result<Application> {
        let (settings, sources) = self.settings().await?;
        let application = Application::new(&settings, Cloud::aws(&settings, &sources, &self.aws)?)?;
        Ok(by_current_mappings(application).await)
    }

    /// The name of one of its functions.
    fn function(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }
}
