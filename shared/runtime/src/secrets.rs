//! Secrets that live in Secrets Manager: the environment holds their ARNs, never the secrets themselves.

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata};
use futures_util::future::try_join_all;

use crate::configuration::{Environment, KEYS};

/// Behind the variable of a secret setting: the variable with the ARN of the secret.
const ARN: &str = "_ARN";

/// A secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager refused, or cannot be reached.
    #[error(
        "the secret {arn} in {variable} cannot be read ({reason}): check that it is there and that the function may call secretsmanager:GetSecretValue"
    )]
    Unreadable {
        /// The variable with its ARN.
        variable: String,
        /// Its ARN.
        arn: String,
        /// What Secrets Manager said.
        reason: String,
    },
    /// The secret is there, but is no text.
    #[error("the secret {arn} in {variable} holds no text: store the application's secret as plain text")]
    Empty {
        /// The variable with its ARN.
        variable: String,
        /// Its ARN.
        arn: String,
    },
}

/// A secret to be read: the variable it is for, and where it is.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    variable: String,
    arn: String,
}

/// Replaces every variable that holds the ARN of a secret by the secret itself.
///
/// # Errors
/// When one of them cannot be read.
pub async fn fill_in(environment: &mut Environment, aws: &SdkConfig) -> Result<(), SecretError> {
    let wanted = take_arns(environment);
    if wanted.is_empty() {
        return Ok(());
    }
    let client = Client::new(aws);
    let secrets = try_join_all(wanted.iter().map(|wanted| read(&client, wanted))).await?;
    environment.extend(wanted.into_iter().map(|wanted| wanted.variable).zip(secrets));
    Ok(())
}

/// Takes the variables with ARNs out of the environment. An empty one is a setting left out, and a secret that is set
/// itself wins.
fn take_arns(environment: &mut Environment) -> Vec<Wanted> {
    let secrets = KEYS.iter().filter(|key| key.secret).map(|key| key.variable());
    let taken = secrets.filter_map(|variable| {
        let arn = environment.remove(&format!("{variable}{ARN}"))?.trim().to_owned();
        let is_set = environment.get(&variable).is_some_and(|secret| !secret.trim().is_empty());
        (!arn.is_empty() && !is_set).then_some(Wanted { variable, arn })
    });
    taken.collect()
}

async fn read(client: &Client, wanted: &Wanted) -> Result<String, SecretError> {
    let variable = || format!("{}{ARN}", wanted.variable);
    let answer = client.get_secret_value().secret_id(&wanted.arn).send().await;
    let answer = answer.map_err(|error| SecretError::Unreadable {
        variable: variable(),
        arn: wanted.arn.clone(),
        reason: match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            _ => DisplayErrorContext(&error).to_string(),
        },
    })?;
    match answer.secret_string().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => Err(SecretError::Empty { variable: variable(), arn: wanted.arn.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_secret_setting_may_be_given_by_its_arn() {
        let mut variables = environment(&[
            ("COUPLET_ENTRA_CLIENT_SECRET_ARN", "arn:entra"),
            ("COUPLET_BUSINESS_CENTRAL_CLIENT_SECRET_ARN", " arn:bc "),
            ("COUPLET_DATAVERSE_CLIENT_SECRET_ARN", ""),
            ("COUPLET_LOG", "info"),
        ]);
        let wanted = take_arns(&mut variables);
        let wanted: Vec<_> = wanted.iter().map(|wanted| (wanted.variable.as_str(), wanted.arn.as_str())).collect();
        assert_eq!(
            wanted,
            [("COUPLET_ENTRA_CLIENT_SECRET", "arn:entra"), ("COUPLET_BUSINESS_CENTRAL_CLIENT_SECRET", "arn:bc")]
        );
        assert_eq!(variables, environment(&[("COUPLET_LOG", "info")]), "no ARN is left to be taken for a setting");
    }

    #[test]
    fn a_secret_in_the_environment_wins_over_its_arn() {
        let mut variables =
            environment(&[("COUPLET_ENTRA_CLIENT_SECRET", "secret"), ("COUPLET_ENTRA_CLIENT_SECRET_ARN", "arn:entra")]);
        assert_eq!(take_arns(&mut variables), []);
        assert_eq!(variables, environment(&[("COUPLET_ENTRA_CLIENT_SECRET", "secret")]));
    }

    #[test]
    fn only_secrets_may_be_given_by_an_arn() {
        let mut variables = environment(&[("COUPLET_ENTRA_CLIENT_ID_ARN", "arn:id")]);
        assert_eq!(take_arns(&mut variables), []);
        assert_eq!(variables.len(), 1);
    }
}
