//! The settings of a deployed stack, from the environment of one of its functions.

use anyhow::{Context, bail};
use aws_sdk_lambda::Client;
use couplet_runtime::configuration::{Environment, KEYS, Key, Settings, Sources};

use super::Stack;

/// The function whose environment is read; every function has the settings that are needed for looking.
const FUNCTION: &str = "run-job";
/// Behind the names of variables that lead to what is not needed for looking: secrets, and files of the function.
const NOT_NEEDED: [&str; 2] = ["_ARN", "_CA_FILE"];
/// Stands for the secrets. Looking at a stack enters neither system, so nobody who looks needs the right to read them;
/// should anything ever send this, no service lets it in.
const NO_SECRET: &str = "not-read-for-looking";

impl Stack {
    /// The settings, and where they were found.
    pub(super) async fn settings(&self) -> anyhow::Result<(Settings, Sources)> {
        let function = self.function(FUNCTION);
        let asked = Client::new(&self.aws).get_function_configuration().function_name(&function).send().await;
        let answer = asked.map_err(|error| self.refused(&format!("the function {function}"), &error))?;
        let environment = answer.environment();
        if let Some(error) = environment.and_then(|environment| environment.error()) {
            bail!(
                "the settings of {function} cannot be read ({}): your role needs kms:Decrypt for its key",
                error.message().unwrap_or("it is encrypted")
            );
        }
        let variables = environment.and_then(|environment| environment.variables()).into_iter().flatten();
        let variables: Environment = variables.map(|(name, value)| (name.clone(), value.clone())).collect();
        from_function(&variables).with_context(|| {
            format!("the settings of {function} do not fit this couplet; use the one the stack was deployed with")
        })
    }
}

/// Settings from the variables of a function.
fn from_function(variables: &Environment) -> anyhow::Result<(Settings, Sources)> {
    let is_set = |name: &String| variables.get(name).is_some_and(|text| !text.trim().is_empty());
    let needed: Vec<&Key> = KEYS
        .iter()
        .filter(|key| key.secret && (key.required || is_set(&key.variable()) || is_set(&key.arn_variable())))
        .collect();
    let ours = variables.iter().filter(|(name, _)| name.starts_with("COUPLET_"));
    let ours = ours.map(|(name, text)| (name.clone(), text.clone()));
    let mut environment: Environment =
        ours.filter(|(name, _)| !NOT_NEEDED.iter().any(|end| name.ends_with(end))).collect();
    for key in KEYS.iter().filter(|key| key.secret) {
        environment.remove(&key.variable());
    }
    environment.extend(needed.into_iter().map(|key| (key.variable(), NO_SECRET.to_owned())));
    let sources = Sources::of_environment(&environment);
    // A setting of another version may change what the others mean; the function itself only warns of it.
    if let Some(name) = sources.unknown().first() {
        bail!(
            "this version has no setting {name}; use the version that was deployed, or take the variable off the function if it is not Couplet's"
        );
    }
    Ok((Settings::from_sources(&sources)?, sources))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The variables in an answer of `GetFunctionConfiguration`.
    fn variables() -> Environment {
        let answer: Value = serde_json::from_str(include_str!("fixtures/function-configuration.json")).expect("JSON");
        serde_json::from_value(answer["Environment"]["Variables"].clone()).expect("variables")
    }

    #[test]
    fn a_function_tells_all_settings_but_the_secrets() {
        let (settings, _) = from_function(&variables()).expect("settings");
        assert_eq!(settings.company.to_string(), "5c1d8f2e-3b6a-4e0f-9a7c-1d2e3f4a5b6c");
        assert_eq!(settings.cloud.table, "couplet-Table-1A2B3C");
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/couplet-RecordsQueue-4D5E6F";
        assert_eq!(settings.cloud.queue_url.as_deref(), Some(url));
        assert!(settings.cloud.tasks_queue_url.is_some());
        assert!(settings.switches.item_availability);
    }

    #[test]
    fn the_door_is_seen_and_its_secret_is_not_needed() {
        let mut variables = variables();
        let url = "https://abc.lambda-url.eu-west-1.on.aws/";
        variables.insert("COUPLET_NOTIFICATIONS_URL".to_owned(), url.to_owned());
        let arn = "arn:aws:secretsmanager:eu-west-1:1:secret:x";
        variables.insert("COUPLET_NOTIFICATIONS_SECRET_ARN".to_owned(), arn.to_owned());
        let (settings, _) = from_function(&variables).expect("settings");
        let section = settings.notifications.expect("notifications are on");
        assert_eq!((section.url.as_deref(), section.secret), (Some(url), NO_SECRET.into()));
    }

    #[test]
    fn a_setting_of_a_newer_version_is_named() {
        let mut variables = variables();
        variables.insert("COUPLET_SWITCHES_TELEPATHY".to_owned(), "true".to_owned());
        let error = from_function(&variables).expect_err("unknown").to_string();
        assert!(error.contains("COUPLET_SWITCHES_TELEPATHY"), "{error}");
    }

    #[test]
    fn a_function_of_somebody_else_is_told_by_what_it_lacks() {
        let foreign = Environment::from([("PATH".to_owned(), "/bin".to_owned())]);
        let error = from_function(&foreign).expect_err("no settings").to_string();
        assert!(error.contains("the setting company is missing"), "{error}");
    }
}
