//! What is offered with a question, and what answers it without asking: the settings file, what the environment said, variables.

use super::Setup;
use super::answers::variable;
use super::questions::{Kind, Question};
use super::writing;

impl Setup {
    /// What is meant if nothing is answered.
    pub(super) fn default(&self, question: &Question) -> Option<String> {
        if let Some(refused) = self.again.get(question.name) {
            return refused.clone().or_else(|| question.default.map(str::to_owned));
        }
        let said = |name: &str| writing::said(self.existing.as_deref()?, name);
        let (section, part) = question.name.split_once('.').unwrap_or(("", question.name));
        let standing = match question.name {
            "sign_in" => self.standing_way(),
            "secret_in" => self.standing_place(),
            "one_application" => said("business_central.client_id").map(|_| "false".to_owned()),
            _ if section == "entra" => said(question.name).or_else(|| said(&format!("dataverse.{part}"))),
            name => said(name),
        };
        let discovered = match question.name {
            "entra.tenant" => self.challenge.tenant.clone(),
            "entra.authority" => self.challenge.authority.clone(),
            "business_central.tenant" | "business_central.authority" | "business_central.certificate_file" => {
                self.answers.get(&format!("entra.{part}")).map(str::to_owned)
            }
            _ => None,
        };
        standing.or(discovered).or_else(|| question.default.map(str::to_owned))
    }

    /// How the application of the settings file proves itself.
    fn standing_way(&self) -> Option<String> {
        let text = self.existing.as_deref()?;
        let has = |part: &str| {
            ["entra", "dataverse"].iter().any(|section| writing::said(text, &format!("{section}.{part}")).is_some())
        };
        let way = if has("certificate_file") {
            "certificate"
        } else if has("web_identity") {
            "web-identity"
        } else {
            "secret"
        };
        Some(way.to_owned())
    }

    /// Where the secret of the settings file is.
    fn standing_place(&self) -> Option<String> {
        let text = self.existing.as_deref()?;
        let has = |part: &str| {
            ["entra", "dataverse"].iter().any(|section| writing::said(text, &format!("{section}.{part}")).is_some())
        };
        let place = if has("client_secret") {
            "settings"
        } else if has("client_secret_file") {
            "file"
        } else {
            "environment"
        };
        Some(place.to_owned())
    }

    /// What the environment, or a file with a secret, answers by itself, and where that was found.
    pub(super) fn found(&self, question: &Question) -> Option<(String, String)> {
        if self.again.contains_key(question.name) {
            return None;
        }
        let variable = variable(question.name);
        let is_setting = question.name == "company" || question.name.contains('.');
        if let Some(value) =
            self.environment.get(&variable).map(|value| value.trim()).filter(|value| is_setting && !value.is_empty())
        {
            return Some((value.to_owned(), format!("the environment variable {variable}")));
        }
        if question.kind == Kind::Secret {
            let file = self.answers.get(&format!("{}_file", question.name))?;
            let text = std::fs::read_to_string(file).ok()?;
            let text = text.trim();
            return (!text.is_empty()).then(|| (text.to_owned(), format!("the file {file}")));
        }
        None
    }
}
