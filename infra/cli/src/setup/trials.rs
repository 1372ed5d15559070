//! Answers are tried: what a refusal means, and which question is asked again.

use std::path::Path;
use std::time::{Duration, Instant};

use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::Side;
use couplet_runtime::check::judging::SALES_SOLUTION;
use couplet_runtime::configuration::{ConfigurationError, Environment, KEYS, Sources};
use couplet_runtime::{Settings, Systems, wiring};

use super::answers::{Answers, variable};
use super::questions::{ListedCompany, Question, question};
use super::writing;

/// How long a system may take to let somebody in.
const LONGEST: Duration = Duration::from_secs(30);

/// An answer that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, and what to do, in one line.
    pub message: String,
    /// The question that is asked again.
    pub again: &'static str,
}

/// What answers are tried with.
pub struct Trying<'a> {
    /// The settings file, for messages.
    pub file: &'a Path,
    /// What it says now.
    pub existing: Option<&'a str>,
    /// The variables of this process.
    pub environment: &'a Environment,
}

impl Trying<'_> {
    /// The settings that the answers so far make, the rest as it may be until it is answered.
    ///
    /// # Errors
    /// When an answer cannot be used.
    pub fn settings(&self, answers: &Answers) -> Result<Settings, Refusal> {
        let mut whole = answers.clone();
        let open = [
            ("company", "00000000-0000-0000-0000-000000000000"),
            ("entra.tenant", "organizations"),
            ("entra.client_id", "nobody"),
            ("business_central.environment", "Production"),
            ("dataverse.url", "https://localhost"),
        ];
        for question in open
            .iter()
            .filter(|(name, _)| !answers.has(name))
            .filter_map(|(name, value)| Some((question(name)?, *value)))
        {
            whole.put(question.0, question.1);
        }
        for section in ["entra", "business_central"] {
            // What is typed is not in its file yet.
            if answers.secret(&format!("{section}.client_secret")).is_some() {
                whole.take_back(&format!("{section}.client_secret_file"));
            }
        }
        let refused = |error: ConfigurationError| {
            let again = match &error {
                ConfigurationError::Missing { key, .. } | ConfigurationError::Wrong { key, .. } => question(key.name),
                ConfigurationError::Unknown { .. } | ConfigurationError::File { .. } => None,
            };
            Refusal { message: error.to_string(), again: again.map_or("dataverse.url", |question| question.name) }
        };
        // Secrets come by the environment, wherever they will be.
        let mut here = whole.clone();
        if let Some(question) = question("secret_in").filter(|_| whole.is("secret_in", "settings")) {
            here.put(question, "environment");
        }
        let text = writing::settings(self.existing, &here)
            .map_err(|error| Refusal { message: error.to_string(), again: "dataverse.url" })?;
        let sources = Sources::of_text(self.file, &text, &environment(answers, self.environment)).map_err(refused)?;
        Settings::from_sources(&sources).map_err(refused)
    }

    fn systems(&self, answers: &Answers) -> Result<Systems, Refusal> {
        let settings = self.settings(answers)?;
        let refused = |message: String| Refusal { message, again: "dataverse.url" };
        let catalogue = wiring::catalogue(&settings).map_err(|error| refused(error.to_string()))?;
        let systems = Systems::new(&settings, &catalogue).map_err(|error| refused(error.to_string()))?;
        systems.set_deadline(Some(Instant::now() + LONGEST));
        Ok(systems)
    }

    /// Signs in to Dataverse.
    ///
    /// # Errors
    /// Why it does not let us in.
    pub async fn enter_dataverse(&self, answers: &Answers) -> Result<(), Refusal> {
        let systems = self.systems(answers)?;
        systems.dataverse.who_am_i().await.map(|_| ()).map_err(|error| judged(Side::Dataverse, &error, answers))
    }

    /// Signs in to Business Central; its companies.
    ///
    /// # Errors
    /// Why it does not let us in, or that it has no company.
    pub async fn enter_business_central(&self, answers: &Answers) -> Result<Vec<ListedCompany>, Refusal> {
        let systems = self.systems(answers)?;
        let found = systems.business_central.companies().await;
        let found = found.map_err(|error| judged(Side::BusinessCentral, &error, answers))?;
        if found.is_empty() {
            let message = "there is no company in that environment that the application may see: give it permission sets on the page Microsoft Entra Applications".to_owned();
            return Err(Refusal { message, again: "business_central.environment" });
        }
        let listed = found.into_iter().map(|company| ListedCompany {
            id: company.id.to_string(),
            name: company.name,
            display_name: company.display_name,
        });
        Ok(listed.collect())
    }

    /// Whether the solution is installed that orders need (S345). Who may not look at solutions is not kept from going on.
    ///
    /// # Errors
    /// When it is known to be missing.
    pub async fn look_for_solution(&self, answers: &Answers) -> Result<(), Refusal> {
        let choice = answers.get("switches.sales_orders").unwrap_or("off");
        if choice == "off" {
            return Ok(());
        }
        match self.systems(answers)?.dataverse.solutions(&[SALES_SOLUTION]).await {
            Ok(installed) if installed.is_empty() => Err(Refusal {
                message: format!(
                    "{choice} orders need the solution {SALES_SOLUTION}, which is not installed in that Dataverse environment: install it from Business Central (Dynamics 365 connection setup), or choose off"
                ),
                again: "switches.sales_orders",
            }),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// The variables of this process with what was answered in place of those of the identity.
fn environment(answers: &Answers, process: &Environment) -> Environment {
    let of_identity = |name: &str| {
        let is = |key: &&couplet_runtime::configuration::Key| {
            key.variable() == name || (key.secret && key.arn_variable() == name)
        };
        KEYS.iter().find(is).is_some_and(|key| is_of_identity(key.name))
    };
    let mut variables: Environment = process
        .iter()
        .filter(|(name, _)| !of_identity(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    variables.extend(answers.secrets().map(|(name, value)| (variable(name), value.to_owned())));
    let arns = answers.values().filter(|(name, _)| name.ends_with("_arn"));
    variables.extend(arns.map(|(name, value)| (variable(name), value.to_owned())));
    variables
}

/// Whether a setting is part of an application's identity.
pub fn is_of_identity(name: &str) -> bool {
    const PARTS: [&str; 8] = [
        "tenant",
        "authority",
        "client_id",
        "client_secret",
        "client_secret_file",
        "certificate_file",
        "certificate_password",
        "web_identity",
    ];
    name.split_once('.').is_some_and(|(_, part)| PARTS.contains(&part))
}

/// What it means that a system does not let us in, and which answer is to be given again.
fn judged(side: Side, error: &SystemError, answers: &Answers) -> Refusal {
    let is_own = side == Side::BusinessCentral && answers.is("one_application", "false");
    let said = error.to_string();
    let (part, remedy) = part_of(side, &error.kind, &said, answers);
    let full = match part {
        "business_central.environment" | "business_central.url" | "dataverse.url" => part.to_owned(),
        _ if is_own => format!("business_central.{part}"),
        _ => format!("entra.{part}"),
    };
    let again = question(&full)
        .or_else(|| question(&format!("entra.{part}")))
        .map_or("entra.client_id", |found: &Question| found.name);
    Refusal { message: format!("{said}; {remedy}").replace(['\n', '\r'], " "), again }
}

/// The part of an identity that a refusal is about, by the number of Entra ID's reason, and what to do.
fn part_of(side: Side, kind: &SystemErrorKind, said: &str, answers: &Answers) -> (&'static str, &'static str) {
    let proof = match answers.get("sign_in") {
        Some("certificate") => "certificate_file",
        Some("web-identity") => "web_identity",
        _ if answers.is("secret_in", "secrets-manager") => "client_secret_arn",
        _ => "client_secret",
    };
    let has = |numbers: &[&str]| numbers.iter().any(|number| said.contains(&format!("AADSTS{number}:")));
    if has(&["90002", "900023", "90013"]) {
        return ("tenant", "give the tenant's id or a domain of it, as Entra ID shows it");
    }
    if has(&["700016", "900144"]) {
        return ("client_id", "give the application (client) id of the app registration in that tenant");
    }
    if has(&["7000215", "7000222"]) {
        return (proof, "give the secret's value, not its id; make a new one if it has ended");
    }
    if has(&["700027", "700024", "50027", "700211", "700212", "700213"])
        || matches!(kind, SystemErrorKind::NoSecret { .. })
    {
        let is_of_password = said.contains("password");
        let part = if is_of_password && proof == "certificate_file" { "certificate_password" } else { proof };
        return (part, "see that the application knows it");
    }
    match (side, kind) {
        (Side::Dataverse, SystemErrorKind::Unreachable | SystemErrorKind::Timeout) => {
            ("authority", "check the address that gives tokens, and the network")
        }
        (Side::BusinessCentral, SystemErrorKind::Unreachable | SystemErrorKind::Timeout) => {
            ("business_central.url", "check the address of Business Central, and the network")
        }
        (Side::Dataverse, SystemErrorKind::Unauthorized | SystemErrorKind::Forbidden) => (
            "client_id",
            "add the application in the Power Platform admin center (Settings > Users > Application users) with its roles, then answer again",
        ),
        (Side::BusinessCentral, SystemErrorKind::Unauthorized | SystemErrorKind::Forbidden) => (
            "business_central.environment",
            "add the application on the page Microsoft Entra Applications of that environment, enabled, with its permission sets and admin consent, then answer again",
        ),
        (Side::BusinessCentral, _) => (
            "business_central.environment",
            "give the environment's name as the admin center of Business Central shows it",
        ),
        (Side::Dataverse, _) => ("client_id", "check the answers so far"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_leads_to_the_question_it_is_about() {
        let unauthorized = SystemErrorKind::Unauthorized;
        for (side, kind, said, own, again) in [
            (Side::Dataverse, &unauthorized, "no token: AADSTS90002: Tenant 'x' not found", false, "entra.tenant"),
            (Side::Dataverse, &unauthorized, "AADSTS700016: Application", false, "entra.client_id"),
            (Side::Dataverse, &unauthorized, "AADSTS7000215: Invalid client secret", false, "entra.client_secret"),
            (Side::BusinessCentral, &unauthorized, "AADSTS7000215: Invalid", true, "business_central.client_secret"),
            (Side::BusinessCentral, &unauthorized, "AADSTS90002: Tenant", true, "business_central.tenant"),
            (Side::BusinessCentral, &unauthorized, "status 401", false, "business_central.environment"),
            (Side::BusinessCentral, &SystemErrorKind::NotFound, "status 404", true, "business_central.environment"),
            (Side::BusinessCentral, &SystemErrorKind::Unreachable, "refused", false, "business_central.url"),
            (Side::Dataverse, &SystemErrorKind::Unreachable, "refused", false, "entra.authority"),
            (Side::Dataverse, &SystemErrorKind::Forbidden, "no user", false, "entra.client_id"),
        ] {
            let mut answers = Answers::default();
            answers.put(question("sign_in").expect("a question"), "secret");
            answers.put(question("one_application").expect("a question"), if own { "false" } else { "true" });
            let error = SystemError::new(side, kind.clone(), "", couplet_model::Said::safe(said.to_owned()));
            assert_eq!(judged(side, &error, &answers).again, again, "{said}");
        }
    }
}
