//! Tokens by which AWS says to others who this process is: its role, for an application in Entra ID that trusts it.

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sts::{Client, Config};
use couplet_odata::{KeeperError, SecretKeeper};
use secrecy::SecretString;
use tokio::sync::OnceCell;

use crate::aws_failure::{self, LONGEST_ATTEMPT};

/// Whom the token is for. Entra ID takes this one unless the application names another.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// Entra ID checks RSA signatures alone.
const ALGORITHM: &str = "RS256";
/// It is used at once.
const SECONDS: i32 = 300;

/// The token service of the account and region of this process, which nothing is asked of before a token is needed.
pub(super) struct WebIdentity {
    pub client: OnceCell<Client>,
}

#[async_trait]
impl SecretKeeper for WebIdentity {
    async fn read(&self) -> Result<SecretString, KeeperError> {
        let client = self.client.get_or_init(client).await;
        let request = client.get_web_identity_token().audience(AUDIENCE).signing_algorithm(ALGORITHM);
        let answer = request.duration_seconds(SECONDS).send().await.map_err(|error| {
            let reason = aws_failure::in_one_line(&error);
            if aws_failure::passes(&error) {
                KeeperError::Unreachable(format!(
                    "AWS STS gives no web identity token for the moment ({reason}): if this stays, check the way to AWS STS"
                ))
            } else {
                KeeperError::Refused(format!(
                    "AWS STS gives no web identity token ({reason}): check that outbound identity federation is on in the account, and that sts:GetWebIdentityToken is allowed"
                ))
            }
        })?;
        answer
            .web_identity_token
            .filter(|token| !token.is_empty())
            .map(SecretString::from)
            .ok_or_else(|| KeeperError::Unreachable("AWS STS gave an answer without a web identity token".to_owned()))
    }
}

async fn client() -> Client {
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(LONGEST_ATTEMPT).build();
    Client::from_conf(Config::from(&aws).to_builder().timeout_config(timeouts).build())
}
