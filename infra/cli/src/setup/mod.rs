//! `couplet setup`: from nothing to a first full synchronization, question by question. The questions are data, what comes next
//! follows from the answers alone, and each answer is tried as soon as it can be.

mod answers;
mod console;
mod doing;
mod exclusions;
mod questions;
mod trials;
mod writing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use couplet_local::DataFolder;
use couplet_runtime::check::Challenge;
use couplet_runtime::configuration::{Environment, FILE_NAME, environment_of_process};
use secrecy::ExposeSecret;

use crate::arguments::SetupOptions;
use crate::interrupt::INTERRUPTED;
use crate::{commands, output};
use answers::{Answers, variable};
use console::Console;
use exclusions::excluded;
use questions::{Kind, ListedCompany, Question, STAGES, Stage, next, question, questions};
use trials::{Refusal, Trying};

/// The file beside the settings that keeps the answers until the set-up has ended.
const KEPT: &str = "couplet.setup.toml";

/// Sets everything up. `config` is the settings file, couplet.toml if left out.
///
/// # Errors
/// When an answer of a file is refused, the input ends, a file cannot be written, or the synchronization fails.
pub async fn setup(config: Option<&Path>, options: &SetupOptions) -> anyhow::Result<ExitCode> {
    if options.example {
        output::result(answers::example().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut setup = Setup::begin(config, options)?;
    let leaving = setup.leaving();
    while let Some(at) = next(&setup.answers, &setup.done) {
        match &STAGES[at] {
            Stage::Part(title) => setup.note(&format!("\n{title}")),
            Stage::Ask(question) => {
                setup.ask(question)?;
                continue;
            }
            Stage::Do(act) => {
                if let (questions::Act::FullSync, Some(leaving)) = (act, &leaving) {
                    // It ends in order by itself.
                    leaving.abort();
                }
                if let Err(refusal) = setup.carry_out(*act).await? {
                    setup.refused(&refusal)?;
                    continue;
                }
            }
        }
        setup.done[at] = true;
    }
    setup.end();
    Ok(setup.outcome)
}

/// Where answers come from.
enum Source {
    /// A person, who is asked again where an answer is refused.
    Person(Console),
    /// A file; what is refused ends the command.
    File {
        /// What it says.
        given: Answers,
        /// Its name.
        place: String,
    },
}

/// A set-up under way.
struct Setup {
    /// The settings file.
    file: PathBuf,
    /// The file that is written.
    target: PathBuf,
    /// What the settings file says now.
    existing: Option<String>,
    /// What the file says that is written, if it is another one.
    existing_target: Option<String>,
    source: Source,
    answers: Answers,
    done: Vec<bool>,
    environment: Environment,
    companies: Vec<ListedCompany>,
    challenge: Challenge,
    /// Questions that are asked again, with the answers that were refused.
    again: BTreeMap<String, Option<String>>,
    outcome: ExitCode,
}

impl Setup {
    fn begin(config: Option<&Path>, options: &SetupOptions) -> anyhow::Result<Self> {
        let file = config.unwrap_or_else(|| Path::new(FILE_NAME)).to_owned();
        let target = options.sam.clone().unwrap_or_else(|| file.clone());
        let existing = read(&file)?;
        let existing_target = if options.sam.is_some() { read(&target)? } else { existing.clone() };
        let source = match &options.answers {
            None => Source::Person(Console::new()),
            Some(place) => {
                let (given, warning) = Answers::of_file(place)?;
                if let Some(warning) = warning {
                    output::note(&format!("couplet: {warning}"));
                }
                Source::File { given, place: place.display().to_string() }
            }
        };
        let mut setup = Self {
            file,
            target,
            existing,
            existing_target,
            source,
            answers: Answers::default(),
            done: vec![false; STAGES.len()],
            environment: environment_of_process(),
            companies: Vec::new(),
            challenge: Challenge::default(),
            again: BTreeMap::new(),
            outcome: ExitCode::SUCCESS,
        };
        if let Some(text) = &setup.existing {
            let said = writing::shown(text)?;
            setup.note(&format!("{} is there; what it says is offered with each question:", setup.file.display()));
            for (name, value) in said {
                setup.note(&format!("    {name} = {value}"));
            }
        }
        setup.resume(options.again)?;
        setup.answers.facts.is_for_stack = options.sam.is_some();
        setup.answers.facts.unit_groups_in_use = setup.unit_groups_in_use();
        if let Some(source) = &options.connection_string {
            setup.take_connection_string(source)?;
        }
        if let Source::File { given, .. } = &setup.source {
            let mut all = given.clone();
            all.facts = setup.answers.facts;
            for (name, value) in setup.answers.values().filter(|(name, _)| !given.has(name)) {
                if let Some(question) = question(name) {
                    all.put(question, value);
                }
            }
            if let Some(exclusion) = excluded(&all) {
                bail!(exclusion.message);
            }
        }
        Ok(setup)
    }

    /// Says something to a person who is asked; a file hears nothing.
    fn note(&self, text: &str) {
        if matches!(self.source, Source::Person(_)) {
            output::note(text);
        }
    }

    /// Takes up what was answered earlier.
    fn resume(&mut self, from_the_beginning: bool) -> anyhow::Result<()> {
        if !matches!(self.source, Source::Person(_)) {
            return Ok(());
        }
        let kept = self.kept();
        match read(&kept)? {
            Some(text) if !from_the_beginning => {
                let place = kept.display().to_string();
                self.answers = Answers::parse(&text, &place)?;
                self.note(&format!("going on with the answers in {place} (couplet setup --again begins anew):"));
                for (name, value) in self.answers.values() {
                    self.note(&format!("    {name} = {value}"));
                }
            }
            _ => self.note(
                "Couplet is set up in four parts. Enter takes what stands in brackets; leave with Ctrl-C whenever you like: the next couplet setup goes on there.",
            ),
        }
        Ok(())
    }

    /// Where answers are kept meanwhile.
    fn kept(&self) -> PathBuf {
        self.target.with_file_name(KEPT)
    }

    /// A task that ends the process when a person leaves at a question; nothing is half written then.
    fn leaving(&self) -> Option<tokio::task::JoinHandle<()>> {
        let Source::Person(console) = &self.source else { return None };
        console.is_terminal().then(|| {
            tokio::spawn(async {
                if tokio::signal::ctrl_c().await.is_ok() {
                    console::show_again();
                    output::note("\nleft; couplet setup goes on here");
                    std::process::exit(INTERRUPTED.into());
                }
            })
        })
    }

    /// The units for which this machine has data.
    fn unit_groups_in_use(&self) -> Option<bool> {
        let text = self.existing.as_deref()?;
        let folder = writing::said(text, "data").unwrap_or_else(|| "couplet-data".to_owned());
        DataFolder::existing_database(Path::new(&folder))?;
        Some(writing::said(text, "switches.unit_groups").is_none_or(|text| text == "true"))
    }

    /// Answers what a connection string says.
    fn take_connection_string(&mut self, source: &Path) -> anyhow::Result<()> {
        let said = commands::connection_string(source)?;
        let translated = said.translated()?;
        output::note(&format!("the connection string says: {said}"));
        // What is missing is asked for.
        for note in translated.notes.iter().filter(|note| !note.contains("no part of it")) {
            output::note(note);
        }
        let secret = translated.client_secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        let is_certificate = secret.is_none() && said.is_certificate();
        let way = if is_certificate { "certificate" } else { "secret" };
        let all = [
            ("dataverse.url", Some(translated.url)),
            ("entra.client_id", translated.client_id),
            ("sign_in", Some(way.to_owned())),
            ("entra.client_secret", secret),
        ];
        for (name, value) in all {
            let is_given = matches!(&self.source, Source::File { given, .. } if given.has(name));
            if let (Some(question), Some(value), false) = (question(name), value, is_given) {
                self.answers.put(question, &value);
            }
        }
        Ok(())
    }

    fn trying(&self) -> Trying<'_> {
        Trying { file: &self.file, existing: self.existing.as_deref(), environment: &self.environment }
    }

    /// What is meant if nothing is answered.
    fn default(&self, question: &Question) -> Option<String> {
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
    fn found(&self, question: &Question) -> Option<(String, String)> {
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

    /// Asks until there is an answer.
    fn ask(&mut self, question: &Question) -> anyhow::Result<()> {
        let value = match &self.source {
            Source::File { given, place } => self.answered_in(question, given, place)?,
            Source::Person(console) => self.answered_by(question, console)?,
        };
        self.answers.put(question, &value);
        match question.name {
            "accept_findings" if value == "false" => {
                bail!(
                    "something does not work: mend what is BAD above, then call couplet setup again, which goes on here"
                )
            }
            "replace" if value == "false" => {
                bail!("{} is as it was; give another file with --config, or agree to replace it", self.target.display())
            }
            _ => {}
        }
        if let Source::Person(_) = self.source {
            self.forget_what_is_not_asked();
            if let Some(exclusion) = excluded(&self.answers) {
                output::note(&exclusion.message);
                self.take_back(exclusion.name);
            }
            self.keep()?;
        }
        Ok(())
    }

    /// Answers that other answers have left no question for.
    fn forget_what_is_not_asked(&mut self) {
        for question in questions() {
            if self.answers.has(question.name) && !(question.asked)(&self.answers) {
                self.answers.take_back(question.name);
            }
        }
    }

    fn take_back(&mut self, name: &str) {
        let refused = self.answers.take_back(name);
        self.again.insert(name.to_owned(), refused);
    }

    /// Keeps the answers, but no secret, until the set-up has ended.
    fn keep(&self) -> anyhow::Result<()> {
        writing::write_private(&self.kept(), &self.answers.to_text())
    }

    /// The answer of a file, or of what is meant without one.
    fn answered_in(&self, question: &Question, given: &Answers, place: &str) -> anyhow::Result<String> {
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
    fn answered_by(&self, question: &Question, console: &Console) -> anyhow::Result<String> {
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

    /// An answer was refused.
    fn refused(&mut self, refusal: &Refusal) -> anyhow::Result<()> {
        match self.source {
            Source::File { .. } => bail!("{}", refusal.message),
            Source::Person(_) => {
                output::note(&refusal.message);
                self.take_back(refusal.again);
                Ok(())
            }
        }
    }

    /// Nothing is left of the way.
    fn end(&self) {
        if matches!(self.source, Source::Person(_)) {
            // Where it cannot be removed, the next set-up says what it goes on with.
            let _ = std::fs::remove_file(self.kept());
        }
    }
}

/// What a file says, if it is there.
fn read(file: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => bail!("{} cannot be read: {error}; name another file", file.display()),
    }
}
