//! What is done between the questions: trying, checking, writing, synchronizing.

use std::path::Path;

use couplet_engine::FullSyncChoice;
use couplet_runtime::Settings;
use couplet_runtime::check::{self, Level};
use couplet_runtime::configuration::KEYS;
use couplet_runtime::handlers::FullSyncEvent;

use super::answers::variable;
use super::questions::{Act, Kind};
use super::trials::{Refusal, is_of_identity};
use super::{Setup, Source, read, writing};
use crate::{commands, installation, output};

type Tried = anyhow::Result<Result<(), Refusal>>;

impl Setup {
    /// Carries out what comes between two questions. Inside: an answer that was refused by it.
    pub(super) async fn carry_out(&mut self, act: Act) -> Tried {
        match act {
            Act::Reach => Ok(self.reach().await),
            Act::EnterDataverse => {
                let entered = self.trying().enter_dataverse(&self.answers).await;
                if entered.is_ok() {
                    self.note("Dataverse lets the application in");
                }
                Ok(entered)
            }
            Act::EnterBusinessCentral => Ok(self.enter_business_central().await),
            Act::LookUpCompany => Ok(self.look_up_company()),
            Act::LookForSolution => Ok(self.trying().look_for_solution(&self.answers).await),
            Act::Check => self.check().await,
            Act::Compare => self.compare().map(Ok),
            Act::Write => self.write().map(Ok),
            Act::Review => self.review().await,
            Act::FullSync => self.full_sync().await,
        }
    }

    async fn reach(&mut self) -> Result<(), Refusal> {
        let url = self.answers.get("dataverse.url").unwrap_or_default();
        // Certificates of a private authority are a setting that nobody is asked for.
        let ca_file = self.trying().settings(&self.answers).ok().and_then(|settings| settings.dataverse.ca_file);
        let refused = |message: String| Refusal { message, again: "dataverse.url" };
        self.challenge = check::reach(url, ca_file.as_deref()).await.map_err(refused)?;
        self.note(&format!("Dataverse answers at {url}"));
        Ok(())
    }

    async fn enter_business_central(&mut self) -> Result<(), Refusal> {
        self.companies = self.trying().enter_business_central(&self.answers).await?;
        self.note("Business Central lets the application in");
        Ok(())
    }

    fn look_up_company(&self) -> Result<(), Refusal> {
        let wanted = self.answers.get("company").unwrap_or_default();
        let read = Kind::Company.read(wanted, &self.companies);
        read.map(|_| ()).map_err(|message| Refusal { message, again: "company" })
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        self.trying().settings(&self.answers).map_err(|refusal| anyhow::anyhow!(refusal.message))
    }

    async fn check(&mut self) -> Tried {
        let settings = match self.trying().settings(&self.answers) {
            Ok(settings) => settings,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let findings = commands::look_at_everything(&settings, &[]).await?;
        self.answers.facts.has_bad_findings = findings.iter().any(|finding| finding.level == Level::Bad);
        let is_accepted = match &self.source {
            Source::Person(_) => true,
            Source::File { given, .. } => given.is("accept_findings", "true"),
        };
        if self.answers.facts.has_bad_findings && !is_accepted {
            let bad = findings.iter().find(|finding| finding.level == Level::Bad);
            let told = bad.map(|finding| {
                let remedy = finding.remedy.as_deref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
                format!("{}: {}{remedy}", finding.what, finding.remark)
            });
            anyhow::bail!(
                "{} (couplet setup goes on all the same with accept_findings = true)",
                told.unwrap_or_default().replace(['\n', '\r'], " ")
            );
        }
        output::result(&commands::findings_in_words(&findings))?;
        Ok(Ok(()))
    }

    /// What the file will say.
    fn text(&self) -> anyhow::Result<String> {
        let existing = self.existing_target.as_deref();
        match self.answers.facts.is_for_stack {
            true => writing::parameters(existing, &self.answers),
            false => writing::settings(existing, &self.answers),
        }
    }

    fn compare(&mut self) -> anyhow::Result<()> {
        let text = self.text()?;
        let Some(existing) = &self.existing_target else { return Ok(()) };
        self.answers.facts.would_replace = *existing != text;
        if !self.answers.facts.would_replace {
            self.note(&format!("{} says so already", self.target.display()));
        } else if !self.answers.facts.is_for_stack {
            let (before, after) = (writing::shown(existing)?, writing::shown(&text)?);
            self.note(&format!("in {} this changes:", self.target.display()));
            for (name, value) in &after {
                let old = before.iter().find(|(known, _)| known == name).map_or("nothing", |(_, value)| value.as_str());
                if old != value {
                    self.note(&format!("    {name}: {old} -> {value}"));
                }
            }
            for (name, value) in before.iter().filter(|(name, _)| !after.iter().any(|(known, _)| known == name)) {
                self.note(&format!("    {name}: {value} -> nothing"));
            }
        }
        Ok(())
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let text = self.text()?;
        for section in ["entra", "business_central"] {
            let file = self.answers.get(&format!("{section}.client_secret_file"));
            let secret = self.answers.secret(&format!("{section}.client_secret"));
            if let (Some(file), Some(secret)) = (file, secret) {
                let is_there = read(Path::new(file))?.is_some_and(|text| text.trim() == secret);
                if !is_there {
                    writing::write_private(Path::new(file), secret)?;
                }
            }
        }
        if self.existing_target.as_deref() != Some(text.as_str()) {
            if let Some(existing) = &self.existing_target {
                writing::write_private(&writing::beside(&self.target, ".bak"), existing)?;
            }
            writing::write_private(&self.target, &text)?;
            output::note(&format!("{} is written", self.target.display()));
        }
        if !self.answers.facts.is_for_stack {
            self.existing = Some(text.clone());
            self.tell_of_secrets();
        }
        self.existing_target = Some(text);
        self.answers.facts.would_replace = false;
        Ok(())
    }

    /// What the next commands need in the environment, and what stands there in their way.
    fn tell_of_secrets(&self) {
        let set = |name: &str| self.environment.contains_key(name);
        let kept = self.answers.get("secret_in");
        let is_typed = |name: &str| {
            let in_environment = name.ends_with("certificate_password") || kept == Some("environment");
            in_environment && kept != Some("settings") && !set(&variable(name))
        };
        for (name, _) in self.answers.secrets().filter(|(name, _)| is_typed(name)) {
            let variable = variable(name);
            output::note(&format!(
                "the secret is in no file. In each shell, before other commands: read -rs {variable} && export {variable}"
            ));
        }
        for (name, arn) in self.answers.values().filter(|(name, _)| name.ends_with("_arn")) {
            let variable = variable(name);
            if !set(&variable) {
                output::note(&format!("in each shell, before other commands: export {variable}='{arn}'"));
            }
        }
        for key in KEYS.iter().filter(|key| is_of_identity(key.name)) {
            let answered = self.answers.get(key.name).or(self.answers.secret(key.name));
            let in_use =
                self.environment.get(&key.variable()).map(|value| value.trim()).filter(|value| !value.is_empty());
            if in_use.is_some() && in_use != answered {
                output::note(&format!("unset {}: it wins over the file, and says something else", key.variable()));
            }
        }
    }

    async fn review(&mut self) -> Tried {
        if self.answers.facts.is_for_stack {
            let by_hand = !self.answers.is("secret_in", "secrets-manager");
            let secret = if by_hand { " --guided (it asks for ClientSecret)" } else { "" };
            output::note(&format!(
                "deploy with sam build && sam deploy --config-file {}{secret}, then couplet --profile aws full-sync review",
                self.target.display()
            ));
            return Ok(Ok(()));
        }
        let engine = installation::look_by(&self.settings()?).await?.engine;
        let plan = engine.review_full_sync(&FullSyncChoice::default()).await?;
        output::result(&commands::reviewed(&plan))?;
        self.undecided = engine.undecided_lines(&plan).iter().map(ToString::to_string).collect();
        self.answers.facts.is_undecided = !self.undecided.is_empty();
        if self.answers.facts.is_undecided {
            self.note(&format!(
                "both sides have records of {}, and it is not known by which fields they match",
                self.undecided.join(", ")
            ));
        }
        Ok(Ok(()))
    }

    async fn full_sync(&mut self) -> Tried {
        if self.answers.is("full_sync", "true") {
            let mut choice = FullSyncChoice::default();
            match self.answers.get("full_sync_by") {
                None | Some("none") => choice.full = self.undecided.clone(),
                Some(fields) => {
                    choice.by = self.undecided.iter().map(|name| (name.clone(), fields.to_owned())).collect();
                }
            }
            let event = FullSyncEvent::Start(choice);
            self.outcome = commands::start_here(&self.settings()?, false, event).await?;
            self.note("couplet serve keeps both systems in step from here on; couplet jobs shows how it stands");
        } else if !self.answers.facts.is_for_stack {
            self.note("begin it with couplet full-sync start, then couplet serve keeps both systems in step");
        }
        Ok(Ok(()))
    }
}
