//! `couplet setup`: from nothing to a first full synchronization, question by question. The questions are data, what comes next
//! follows from the answers alone, and each answer is tried as soon as it can be.

mod answers;
mod asking;
mod console;
mod doing;
mod exclusions;
mod offering;
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
use answers::Answers;
use console::Console;
use exclusions::excluded;
use questions::{ListedCompany, Question, STAGES, Stage, next, question, questions};
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
    /// Mappings whose records could be coupled first, by fields that a person has to name.
    undecided: Vec<String>,
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
            undecided: Vec::new(),
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
            // What others depend on counts as it is meant without an answer, too.
            for name in ["sign_in", "secret_in", "one_application", "switches.sales_orders"] {
                let open = question(name).filter(|question| !all.has(name) && (question.asked)(&all));
                if let Some((question, value)) = open.and_then(|question| Some((question, setup.default(question)?))) {
                    all.put(question, &value);
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
