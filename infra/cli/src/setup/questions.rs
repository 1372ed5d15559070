//! The questions of the set-up as data, in their order, and what is done between them.

use couplet_runtime::configuration::given_address;

use super::answers::Answers;

/// What an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An address that is a host alone.
    Host,
    /// An address that may have a path.
    Address,
    /// A text of one line.
    Text,
    /// A file that must be there.
    File,
    /// A file that may be there, or is written.
    NewFile,
    /// A text that is never shown.
    Secret,
    /// A text that is never shown and may be empty.
    OptionalSecret,
    /// ARN of a secret in Secrets Manager.
    Arn,
    /// One of these, each with what it means.
    Choice(&'static [(&'static str, &'static str)]),
    /// Yes or no.
    Flag,
    /// A company of the environment: its number in the list, its name or its id.
    Company,
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Its name in files with answers; that of the setting it fills in, if it fills in one.
    pub name: &'static str,
    /// What is asked.
    pub prompt: &'static str,
    /// What an answer may be.
    pub kind: Kind,
    /// What is meant if nothing is answered.
    pub default: Option<&'static str>,
    /// Whether it is asked, by the answers before it.
    pub asked: fn(&Answers) -> bool,
}

/// What is done between questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Ask the address of Dataverse.
    Reach,
    /// Sign in to Dataverse.
    EnterDataverse,
    /// Sign in to Business Central, and list its companies.
    EnterBusinessCentral,
    /// Look the company up.
    LookUpCompany,
    /// See whether what the orders need is installed.
    LookForSolution,
    /// Everything that `couplet check` looks at.
    Check,
    /// Show what the settings file will say.
    Compare,
    /// Write the file.
    Write,
    /// Review the first full synchronization.
    Review,
    /// Begin it.
    FullSync,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub enum Stage {
    /// The headline of a part.
    Part(&'static str),
    /// A question.
    Ask(Question),
    /// Something to be done.
    Do(Act),
}

const fn ask(name: &'static str, prompt: &'static str, kind: Kind, default: Option<&'static str>) -> Question {
    Question { name, prompt, kind, default, asked: |_| true }
}

const fn only(question: Question, asked: fn(&Answers) -> bool) -> Stage {
    Stage::Ask(Question { asked, ..question })
}

/// Ways to sign in.
const SIGN_IN: Kind = Kind::Choice(&[
    ("secret", "a secret of the application"),
    ("certificate", "a file with its certificate and the private key, PEM or PFX"),
    ("web-identity", "a token of AWS STS or of another issuer that the application trusts"),
]);

/// Places for a secret.
const SECRET_IN: Kind = Kind::Choice(&[
    ("environment", "an environment variable that you set yourself"),
    ("file", "a file of its own, for its owner alone"),
    ("secrets-manager", "AWS Secrets Manager"),
    ("settings", "the settings file itself, for its owner alone"),
]);

fn by_secret(answers: &Answers) -> bool {
    answers.is("sign_in", "secret")
}

fn secret_here(answers: &Answers) -> bool {
    by_secret(answers) && !answers.is("secret_in", "secrets-manager")
}

fn has_own(answers: &Answers) -> bool {
    answers.is("one_application", "false")
}

fn with_orders(answers: &Answers) -> bool {
    answers.get("switches.sales_orders").is_some_and(|choice| choice != "off")
}

/// Everything, in order.
pub const STAGES: &[Stage] = &[
    Stage::Part("1 of 4: the systems, and the identity Couplet signs in with"),
    Stage::Ask(ask("dataverse.url", "Address of the Dataverse environment, as the browser shows it", Kind::Host, None)),
    Stage::Do(Act::Reach),
    Stage::Ask(ask("entra.tenant", "Entra ID tenant, its id or domain", Kind::Text, None)),
    Stage::Ask(ask(
        "entra.authority",
        "Address that gives tokens",
        Kind::Host,
        Some("https://login.microsoftonline.com"),
    )),
    Stage::Ask(ask("entra.client_id", "Client id of the Entra ID application", Kind::Text, None)),
    Stage::Ask(ask("sign_in", "The application proves itself by", SIGN_IN, Some("secret"))),
    only(ask("secret_in", "The secret is kept in", SECRET_IN, Some("environment")), by_secret),
    only(ask("entra.client_secret_file", "File for the secret", Kind::NewFile, Some("couplet.secret")), |answers| {
        by_secret(answers) && answers.is("secret_in", "file")
    }),
    only(ask("entra.client_secret_arn", "ARN of the secret in Secrets Manager", Kind::Arn, None), |answers| {
        by_secret(answers) && answers.is("secret_in", "secrets-manager")
    }),
    only(ask("entra.client_secret", "The secret (it is not shown)", Kind::Secret, None), secret_here),
    only(
        ask("entra.certificate_file", "File with the certificate and its private key", Kind::File, Some("couplet.pem")),
        |answers| answers.is("sign_in", "certificate"),
    ),
    only(
        ask(
            "entra.certificate_password",
            "Password of the PFX file (it is not shown; empty if it has none)",
            Kind::OptionalSecret,
            Some(""),
        ),
        |answers| answers.get("entra.certificate_file").is_some_and(is_pfx),
    ),
    only(
        ask("entra.web_identity", "Token: aws for AWS STS, or the file that holds one", Kind::Text, Some("aws")),
        |answers| answers.is("sign_in", "web-identity"),
    ),
    Stage::Do(Act::EnterDataverse),
    Stage::Ask(ask(
        "business_central.url",
        "Address of Business Central",
        Kind::Address,
        Some("https://api.businesscentral.dynamics.com"),
    )),
    Stage::Ask(ask(
        "one_application",
        "Does the same application sign in to Business Central",
        Kind::Flag,
        Some("true"),
    )),
    only(ask("business_central.tenant", "Tenant of Business Central, its id or domain", Kind::Text, None), has_own),
    only(
        ask(
            "business_central.authority",
            "Address that gives tokens for Business Central",
            Kind::Host,
            Some("https://login.microsoftonline.com"),
        ),
        has_own,
    ),
    only(ask("business_central.client_id", "Client id of the application for it", Kind::Text, None), has_own),
    only(
        ask(
            "business_central.client_secret_file",
            "File for the secret of that application",
            Kind::NewFile,
            Some("couplet.bc.secret"),
        ),
        |answers| has_own(answers) && by_secret(answers) && answers.is("secret_in", "file"),
    ),
    only(
        ask("business_central.client_secret_arn", "ARN of the secret of that application", Kind::Arn, None),
        |answers| has_own(answers) && by_secret(answers) && answers.is("secret_in", "secrets-manager"),
    ),
    only(
        ask("business_central.client_secret", "Secret of that application (it is not shown)", Kind::Secret, None),
        |answers| has_own(answers) && secret_here(answers),
    ),
    only(
        ask("business_central.certificate_file", "File with the certificate of that application", Kind::File, None),
        |answers| has_own(answers) && answers.is("sign_in", "certificate"),
    ),
    only(
        ask(
            "business_central.certificate_password",
            "Password of that PFX file (it is not shown; empty if it has none)",
            Kind::OptionalSecret,
            Some(""),
        ),
        |answers| answers.get("business_central.certificate_file").is_some_and(is_pfx),
    ),
    Stage::Ask(ask("business_central.environment", "Environment of Business Central", Kind::Text, Some("Production"))),
    Stage::Do(Act::EnterBusinessCentral),
    Stage::Ask(ask("company", "Company: its number in the list, its name or its id", Kind::Company, None)),
    Stage::Do(Act::LookUpCompany),
    Stage::Ask(ask(
        "business_central.companion",
        "Is the companion app of Couplet published in that environment",
        Kind::Flag,
        Some("true"),
    )),
    Stage::Part("2 of 4: what is synchronized"),
    Stage::Ask(ask(
        "switches.ownership",
        "New records in Dataverse belong to",
        Kind::Choice(&[
            ("team", "the owning team of the company"),
            ("person", "the user who is coupled to the salesperson"),
        ]),
        Some("team"),
    )),
    Stage::Ask(ask("switches.unit_groups", "A unit group with all its units for each item", Kind::Flag, Some("true"))),
    Stage::Ask(ask(
        "switches.extended_pricing",
        "Does Business Central use its newer price lists",
        Kind::Flag,
        Some("true"),
    )),
    Stage::Ask(ask("switches.item_availability", "Does stock travel to Sales", Kind::Flag, Some("true"))),
    Stage::Ask(ask(
        "switches.sales_orders",
        "Sales orders are",
        Kind::Choice(&[
            ("off", "not synchronized"),
            ("legacy", "taken over from Sales when they are submitted"),
            ("bidirectional", "synchronized both ways"),
        ]),
        Some("off"),
    )),
    Stage::Do(Act::LookForSolution),
    only(
        ask("switches.auto_create_orders", "Do submitted orders become orders by themselves", Kind::Flag, Some("true")),
        with_orders,
    ),
    only(
        ask("switches.auto_process_quotes", "Are activated quotes processed by themselves", Kind::Flag, Some("true")),
        with_orders,
    ),
    Stage::Part("3 of 4: whether everything is as it should be"),
    Stage::Do(Act::Check),
    only(ask("accept_findings", "Something does not work. Go on all the same", Kind::Flag, Some("false")), |answers| {
        answers.facts.has_bad_findings
    }),
    Stage::Do(Act::Compare),
    only(ask("replace", "Replace the file (a copy is kept)", Kind::Flag, Some("false")), |answers| {
        answers.facts.would_replace
    }),
    Stage::Do(Act::Write),
    Stage::Part("4 of 4: the first full synchronization"),
    Stage::Do(Act::Review),
    only(
        ask(
            "full_sync",
            "Begin the full synchronization now; where both systems differ, Business Central wins",
            Kind::Flag,
            Some("false"),
        ),
        |answers| !answers.facts.is_for_stack,
    ),
    only(
        ask(
            "full_sync_by",
            "Fields by which they are coupled first, such as number,name, or none to synchronize them as they are",
            Kind::Text,
            Some("none"),
        ),
        |answers| answers.facts.is_undecided && answers.is("full_sync", "true"),
    ),
    Stage::Do(Act::FullSync),
];

fn is_pfx(file: &str) -> bool {
    let file = file.to_ascii_lowercase();
    file.ends_with(".pfx") || file.ends_with(".p12")
}

/// All questions, in order.
pub fn questions() -> impl Iterator<Item = &'static Question> {
    STAGES.iter().filter_map(|stage| match stage {
        Stage::Ask(question) => Some(question),
        Stage::Part(_) | Stage::Do(_) => None,
    })
}

/// The question of that name.
pub fn question(name: &str) -> Option<&'static Question> {
    questions().find(|question| question.name == name)
}

/// The first stage that is not done: a question that is asked and not answered, or something to do. `done` is how many stages
/// have been passed; what an answer that was taken back led to is done again.
pub fn next(answers: &Answers, done: &[bool]) -> Option<usize> {
    STAGES.iter().enumerate().position(|(at, stage)| match stage {
        Stage::Part(_) | Stage::Do(_) => !done.get(at).copied().unwrap_or(false),
        Stage::Ask(question) => (question.asked)(answers) && !answers.has(question.name),
    })
}

/// A company of the environment, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCompany {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The name its users see, if it is another.
    pub display_name: String,
}

/// An answer as it is kept, and what is to be told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The answer.
    pub value: String,
    /// What was done to it.
    pub note: Option<String>,
}

impl Kind {
    /// Whether the answer must never be shown.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::OptionalSecret)
    }

    /// Reads an answer that is not blank.
    ///
    /// # Errors
    /// Why it is none, with what would be one, in one line. It never repeats a secret.
    pub fn read(self, text: &str, companies: &[ListedCompany]) -> Result<Read, String> {
        let text = text.trim();
        let plain = |value: &str| Ok(Read { value: value.to_owned(), note: None });
        match self {
            Self::Host => match given_address(text) {
                Ok(Some(given)) => Ok(Read {
                    note: given.left_out.map(|path| format!("{path} is left out: {} is the address", given.address)),
                    value: given.address,
                }),
                Ok(None) => Err("an address is needed, such as https://contoso.crm4.dynamics.com".to_owned()),
                Err(problem) => Err(format!("that is {problem}")),
            },
            // Its path is judged with the environment.
            Self::Address => match given_address(text) {
                Ok(Some(given)) => plain(&format!("{}{}", given.address, given.left_out.unwrap_or_default())),
                Ok(None) => Err("an address is needed".to_owned()),
                Err(problem) => Err(format!("that is {problem}")),
            },
            Self::Text | Self::NewFile | Self::Secret | Self::OptionalSecret => plain(text),
            Self::File if std::path::Path::new(text).is_file() => plain(text),
            Self::File => Err(format!("there is no file {text}: give the path of one")),
            Self::Arn if is_secret_arn(text) => plain(text),
            // It may be the secret itself.
            Self::Arn => Err("that is not the ARN of a secret: it begins with arn:aws:secretsmanager:".to_owned()),
            Self::Flag => match text.to_lowercase().as_str() {
                "y" | "yes" | "true" => plain("true"),
                "n" | "no" | "false" => plain("false"),
                _ => Err("answer yes or no".to_owned()),
            },
            Self::Choice(choices) => {
                let by_number = text.parse::<usize>().ok().and_then(|number| choices.get(number.checked_sub(1)?));
                match by_number.or_else(|| choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text))) {
                    Some((name, _)) => plain(name),
                    None => {
                        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                        Err(format!("answer one of {}, or its number", names.join(", ")))
                    }
                }
            }
            Self::Company => company(text, companies),
        }
    }
}

fn is_secret_arn(text: &str) -> bool {
    let mut parts = text.split(':');
    parts.next() == Some("arn") && parts.nth(1) == Some("secretsmanager") && parts.count() >= 4
}

fn company(text: &str, companies: &[ListedCompany]) -> Result<Read, String> {
    let is_meant = |company: &&ListedCompany| {
        [&company.id, &company.name, &company.display_name].iter().any(|known| known.eq_ignore_ascii_case(text))
    };
    let by_number = text.parse::<usize>().ok().and_then(|number| companies.get(number.checked_sub(1)?));
    match companies.iter().find(is_meant).or(by_number) {
        Some(company) => {
            Ok(Read { value: company.id.clone(), note: Some(format!("{} ({})", company.name, company.id)) })
        }
        None => {
            let names: Vec<&str> = companies.iter().map(|company| company.name.as_str()).collect();
            Err(format!("there is no company {text} in that environment; choose one of: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests;
