//! What has been answered, and the files answers come from and are kept in.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use couplet_model::catalogue::nearest;
use couplet_runtime::configuration::open_to_others;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::questions::{Kind, Question, question, questions};

/// What was seen meanwhile, on which questions depend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The check found something that does not work.
    pub has_bad_findings: bool,
    /// There is a file with other settings.
    pub would_replace: bool,
    /// Some records could be coupled first, by fields that a person has to name.
    pub is_undecided: bool,
    /// The settings are for a stack on AWS.
    pub is_for_stack: bool,
    /// The units that the data of this machine are for: whether unit groups; `None` without data.
    pub unit_groups_in_use: Option<bool>,
}

/// What has been answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    values: BTreeMap<String, String>,
    secrets: BTreeMap<String, SecretString>,
    /// What was seen.
    pub facts: Facts,
}

impl Answers {
    /// The answer to a question, unless it is secret.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A secret answer.
    pub fn secret(&self, name: &str) -> Option<&str> {
        self.secrets.get(name).map(ExposeSecret::expose_secret)
    }

    /// Whether it is answered.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name) || self.secrets.contains_key(name)
    }

    /// Whether the answer is this one.
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }

    /// Notes an answer.
    pub fn put(&mut self, question: &Question, value: &str) {
        if question.kind.is_secret() {
            self.secrets.insert(question.name.to_owned(), SecretString::from(value));
        } else {
            self.values.insert(question.name.to_owned(), value.to_owned());
        }
    }

    /// Takes an answer back.
    pub fn take_back(&mut self, name: &str) -> Option<String> {
        self.secrets.remove(name);
        self.values.remove(name)
    }

    /// All answers but the secret ones.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All secret answers that are not empty.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.secrets.iter().map(|(name, value)| (name.as_str(), value.expose_secret()));
        all.filter(|(_, value)| !value.is_empty())
    }

    /// Answers as a file says them. `place` is for messages.
    ///
    /// # Errors
    /// When it is no TOML, or names what is no question: in one line, without a value.
    pub fn parse(text: &str, place: &str) -> anyhow::Result<Self> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            // The whole message would show the line, which may hold a secret.
            anyhow::anyhow!(
                "{place} is damaged at line {line}: {}",
                error.message().lines().next().unwrap_or("no TOML")
            )
        })?;
        let mut found = Vec::new();
        flatten("", &table, &mut found);
        let mut answers = Self::default();
        for (name, value) in found {
            let Some(question) = question(&name) else {
                let near = nearest(&name, questions().map(|question| question.name));
                let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                bail!("{place} answers {name}, which is no question{near} (couplet setup --example shows them all)");
            };
            if !value.trim().is_empty() {
                answers.put(question, value.trim());
            }
        }
        Ok(answers)
    }

    /// Reads a file with answers, and says when others may read secrets in it.
    ///
    /// # Errors
    /// As [`Self::parse`], and when it cannot be read.
    pub fn of_file(file: &Path) -> anyhow::Result<(Self, Option<String>)> {
        let place = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{place} cannot be read; couplet setup --example shows what such a file holds"))?;
        let answers = Self::parse(&text, &place)?;
        let warning = if answers.secrets.is_empty() { None } else { open_to_others(file) };
        Ok((answers, warning))
    }

    /// The answers as a file that [`Self::parse`] reads, without those that are secret or hold for one time only.
    pub fn to_text(&self) -> String {
        let kept = self.values.iter().filter(|(name, _)| !matches!(name.as_str(), "accept_findings" | "replace"));
        let lines = kept.map(|(name, value)| format!("{name} = {}\n", json!(value)));
        format!(
            "# Answers of couplet setup, which goes on with them. Secrets are not among them.\n{}",
            lines.collect::<String>()
        )
    }
}

/// Names with their sections, and values as text.
fn flatten(section: &str, table: &toml::Table, found: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let full = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&full, inner, found),
            toml::Value::String(text) => found.push((full, text.clone())),
            // Two of what only one may be: told as what excludes each other.
            toml::Value::Array(list) => {
                let texts: Vec<&str> = list.iter().filter_map(toml::Value::as_str).collect();
                found.push((full, texts.join(", ")));
            }
            other => found.push((full, other.to_string())),
        }
    }
}

/// Every question as a file with answers, explained.
pub fn example() -> String {
    let mut text = "# Answers for couplet setup --answers FILE. What is left out is as its example says, if that stands behind a #.\n".to_owned();
    for question in questions() {
        text.push_str(&format!("\n# {}\n", question.prompt));
        let mut value = question.default.map(|default| match question.kind {
            Kind::Flag => default.to_owned(),
            _ => json!(default).to_string(),
        });
        match question.kind {
            Kind::Choice(choices) => {
                for (name, meaning) in choices {
                    text.push_str(&format!("#   {name}: {meaning}\n"));
                }
            }
            Kind::Secret | Kind::OptionalSecret => {
                text.push_str(&format!(
                    "# Better in the environment variable {}; with a secret in it this file is for its owner alone (mode 0600).\n",
                    variable(question.name)
                ));
                value = value.filter(|_| false);
            }
            _ => {}
        }
        let is_needed = value.is_none() && (question.asked)(&Answers::default());
        let value = value.unwrap_or_else(|| "\"…\"".to_owned());
        text.push_str(&format!("{}{} = {value}\n", if is_needed { "" } else { "# " }, question.name));
    }
    text
}

/// The environment variable of a setting or of its ARN.
pub fn variable(name: &str) -> String {
    format!("COUPLET_{}", name.replace('.', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_without_secrets_and_read_again() {
        let mut answers = Answers::default();
        for (name, value) in [
            ("dataverse.url", "https://contoso.crm4.dynamics.com"),
            ("entra.client_secret", "s3cret"),
            ("switches.unit_groups", "false"),
            ("business_central.environment", "My \"Sandbox\""),
            ("accept_findings", "true"),
        ] {
            answers.put(question(name).expect(name), value);
        }
        let text = answers.to_text();
        assert!(!text.contains("s3cret") && !text.contains("accept_findings"), "{text}");
        assert!(!format!("{answers:?}").contains("s3cret"));
        let again = Answers::parse(&text, "file").expect(&text);
        assert_eq!(again.get("business_central.environment"), Some("My \"Sandbox\""));
        assert!(again.is("switches.unit_groups", "false") && !again.has("entra.client_secret"));
    }

    #[test]
    fn a_file_with_answers_that_is_wrong_is_told_without_its_values() {
        for (text, words) in [
            ("dataverse.ulr = \"x\"", "answers dataverse.ulr, which is no question; did you mean dataverse.url?"),
            ("[entra]\nclient_secret = \"s3cret", "is damaged at line 2"),
        ] {
            let error = Answers::parse(text, "file").expect_err(text).to_string();
            assert!(error.contains(words) && !error.contains("s3cret") && !error.contains('\n'), "{error}");
        }
        let answers =
            Answers::parse("full_sync = true\n[switches]\nsales_orders = [\"legacy\", \"bidirectional\"]", "x");
        let answers = answers.expect("answers");
        assert!(answers.is("full_sync", "true") && answers.is("switches.sales_orders", "legacy, bidirectional"));
    }

    #[test]
    fn the_example_names_every_question_and_is_a_file_with_answers() {
        let text = example();
        for question in questions() {
            assert!(text.contains(&format!("{} = ", question.name)), "{}", question.name);
        }
        Answers::parse(&text, "example").expect("answers");
        let whole = text.lines().map(|line| match line.strip_prefix("# ") {
            Some(rest) if question(rest.split(" = ").next().unwrap_or_default()).is_some() => rest,
            _ => line,
        });
        let whole: Vec<&str> = whole.collect();
        Answers::parse(&whole.join("\n"), "example").expect("answers");
    }
}
