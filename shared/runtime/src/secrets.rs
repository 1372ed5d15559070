//! What an application proves itself with, wherever it is kept: in Secrets Manager, in a file, or given by AWS STS. The
//! settings hold the place, and it is read when a token first needs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::{Client, Config};
use couplet_odata::{ClientSecret, Credential, KeeperError, SecretKeeper};
use secrecy::SecretString;
use tokio::sync::OnceCell;

use crate::aws_failure::{self, LONGEST_ATTEMPT};
use crate::configuration::{ProofSetting, SecretPlace, SecretSetting, WebIdentitySetting};

mod files;
mod web_identity;

use files::File;
use web_identity::WebIdentity;

/// Secrets Manager, which nothing is asked of before a secret is needed: not even a client is made.
#[derive(Default)]
pub struct SecretsManager {
    client: Arc<OnceCell<Client>>,
    kept: BTreeMap<String, ClientSecret>,
}

impl SecretsManager {
    /// What an application proves itself with.
    pub fn credential(&mut self, setting: &ProofSetting) -> Credential {
        match setting {
            ProofSetting::Secret { secret, password } => {
                let password = password.as_ref().map(|password| self.client_secret(password));
                Credential::certificate(self.client_secret(secret), password)
            }
            ProofSetting::SecretFile(file) => Credential::certificate(ClientSecret::kept(File::secret(file)), None),
            ProofSetting::CertificateFile { file, password } => {
                let password = password.as_ref().map(|password| self.client_secret(password));
                Credential::certificate(ClientSecret::kept(File::certificate(file)), password)
            }
            ProofSetting::WebIdentity(WebIdentitySetting::File(file)) => {
                Credential::web_identity(ClientSecret::fresh(File::token(file)))
            }
            ProofSetting::WebIdentity(WebIdentitySetting::Aws) => {
                Credential::web_identity(ClientSecret::fresh(WebIdentity { client: OnceCell::new() }))
            }
        }
    }

    /// The secret of a setting. Settings with the same ARN share one, and what was read of it.
    pub fn client_secret(&mut self, setting: &SecretSetting) -> ClientSecret {
        let place = match setting {
            SecretSetting::Given(secret) => return secret.clone().into(),
            SecretSetting::Kept(place) => place,
        };
        let keeper = || Keeper { place: place.clone(), client: Arc::clone(&self.client) };
        self.kept.entry(place.arn.clone()).or_insert_with(|| ClientSecret::kept(keeper())).clone()
    }
}

struct Keeper {
    place: SecretPlace,
    client: Arc<OnceCell<Client>>,
}

#[async_trait]
impl SecretKeeper for Keeper {
    async fn read(&self) -> Result<SecretString, KeeperError> {
        let client = self.client.get_or_init(client).await;
        let SecretPlace { arn, variable } = &self.place;
        let answer = client.get_secret_value().secret_id(arn).send().await.map_err(|error| {
            let reason = aws_failure::in_one_line(&error);
            if aws_failure::passes(&error) {
                KeeperError::Unreachable(format!(
                    "the secret {arn} in {variable} cannot be read for the moment ({reason}): if this stays, check the way to Secrets Manager"
                ))
            } else {
                KeeperError::Refused(format!(
                    "the secret {arn} in {variable} cannot be read ({reason}): check that it is there and that secretsmanager:GetSecretValue is allowed, and kms:Decrypt if the key is your own"
                ))
            }
        })?;
        match answer.secret_string().map(str::trim) {
            Some(secret) if !secret.is_empty() => Ok(SecretString::from(secret)),
            _ => Err(KeeperError::Refused(format!(
                "the secret {arn} in {variable} holds no text: store the application's secret as plain text"
            ))),
        }
    }
}

/// The service of the account and region of this process.
async fn client() -> Client {
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(LONGEST_ATTEMPT).build();
    Client::from_conf(Config::from(&aws).to_builder().timeout_config(timeouts).build())
}

#[cfg(test)]
mod tests;
