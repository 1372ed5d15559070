//! One question, put to a person or to a file with answers.

use anyhow::bail;

use super::Setup;
use super::answers::{Answers, variable};
use super::console::Console;
use super::questions::{Kind, Question};
use crate::output;

impl Setup {
    /// The answer of a file, or of what is meant without one.
    pub(super) fn answered_in(&self, question: &Question, given: &Answers, place: &str) -> anyhow::Result<String> {
        let name = question.name;
        let text = match given.get(name).or(given.secret(name)) {
            Some(text) => Some(text.to_owned()),
            None => self.found(question).map(|(value, _)| value).or_else(|| self.default(question)),
        };
        match text {
            // These need a word of their own.
            Some(text) if matches!(name, "accept_findings" | "replace") && text == "false" => Ok(text),
            Some(text) if text.is_empty() => Ok(text),
            Some(text) => match question.kind.read(&text, &self.companies) {
                Ok(read) => Ok(read.value),
                Err(problem) => bail!("{name} in {place} is not usable: {problem}"),
            },
            None if question.kind == Kind::Secret => bail!(
                "the secret {name} is missing: set the environment variable {}, or name a file with {name}_file and secret_in = \"file\" in {place}",
                variable(name)
            ),
            None => bail!(
                "{place} does not answer {name} ({}): add it; couplet setup --example shows every answer",
                question.prompt
            ),
        }
    }

    /// The answer of a person.
    pub(super) fn answered_by(&self, question: &Question, console: &Console) -> anyhow::Result<String> {
        if let Some((value, place)) = self.found(question) {
            match question.kind.read(&value, &self.companies) {
                Ok(read) => {
                    let shown = if question.kind.is_secret() { "" } else { value.as_str() };
                    output::note(&format!("{}: {shown} (from {place})", question.prompt));
                    return Ok(read.value);
                }
                Err(problem) => output::note(&format!("{place}: {problem}")),
            }
        }
        let default = self.default(question);
        self.show_choices(question);
        loop {
            let offered = match (&default, question.kind) {
                (None, _) => String::new(),
                (Some(_), Kind::Secret) => " [as it is]".to_owned(),
                (Some(_), Kind::OptionalSecret) => String::new(),
                (Some(value), Kind::Flag) => format!(" [{}]", if value == "true" { "yes" } else { "no" }),
                (Some(value), _) => format!(" [{value}]"),
            };
            let mark = if question.kind == Kind::Flag { "?" } else { ":" };
            let asked = format!("{}{mark}{offered} ", question.prompt);
            let typed = if question.kind.is_secret() { console.hidden(&asked)? } else { console.line(&asked)? };
            let Some(typed) = typed else {
                bail!(
                    "the input ended at the question {}: what was answered is kept in {}, and couplet setup goes on there",
                    question.name,
                    self.kept().display()
                );
            };
            let text = match (typed.is_empty(), &default) {
                (false, _) => typed,
                (true, Some(default)) => default.clone(),
                (true, None) => {
                    output::note("an answer is needed");
                    continue;
                }
            };
            if text.is_empty() {
                return Ok(text);
            }
            match question.kind.read(&text, &self.companies) {
                Ok(read) => {
                    if let Some(note) = read.note {
                        output::note(&note);
                    }
                    return Ok(read.value);
                }
                Err(problem) => output::note(&problem),
            }
        }
    }

    fn show_choices(&self, question: &Question) {
        match question.kind {
            Kind::Choice(choices) => {
                for (number, (name, meaning)) in (1..).zip(choices) {
                    output::note(&format!("    {number}  {name}: {meaning}"));
                }
            }
            Kind::Company => {
                for (number, company) in (1..).zip(&self.companies) {
                    output::note(&format!("    {number}  {} ({})", company.name, company.id));
                }
            }
            _ => {}
        }
    }
}
