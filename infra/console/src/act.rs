//! What a person does through the console: read from a form, without looking anything up.

use std::collections::BTreeMap;

use couplet_model::RecordId;
use couplet_model::message::Resolution;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;

/// Begins the names of the choices field by field.
pub const FIELD: &str = "field:";

/// What a person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Asks for something of records of a mapping, as `couplet sync`, `retry`, `skip`, `unskip` and `conflicts resolve` do.
    Ask {
        /// The mapping.
        mapping: String,
        /// What is to be done.
        want: Want,
        /// With which records.
        of: Chosen,
        /// What people call the record, if it is one.
        label: String,
    },
    /// Runs a job, as `couplet run` does.
    Run {
        /// The job.
        job: String,
        /// Whether everything is synchronized.
        full: bool,
    },
    /// Puts a job on hold, as `couplet hold` does.
    Hold(String),
    /// Lets a job go on, as `couplet release` does.
    Release(String),
    /// Sends dead letters back, as `couplet replay` does: the one with this message id, or all.
    Replay(Option<String>),
}

/// A form that means nothing: it was not made by these pages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form cannot be understood: {0}; go back, load the page again, and repeat it")]
pub struct BadForm(pub String);

impl Act {
    /// What a form asks for.
    ///
    /// # Errors
    /// When a field is missing or holds what it cannot.
    pub fn of_form(fields: &[(String, String)]) -> Result<Self, BadForm> {
        let get = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let need = |name: &str| {
            get(name).filter(|value| !value.is_empty()).ok_or_else(|| BadForm(format!("it has no {name}")))
        };
        let kind = need("act")?;
        match kind {
            "run" => return Ok(Self::Run { job: need("job")?.to_owned(), full: get("full") == Some("yes") }),
            "hold" => return Ok(Self::Hold(need("job")?.to_owned())),
            "release" => return Ok(Self::Release(need("job")?.to_owned())),
            "replay" => return Ok(Self::Replay(Some(need("message")?.to_owned()))),
            "replay-all" => return Ok(Self::Replay(None)),
            _ => {}
        }
        let mapping = need("mapping")?.to_owned();
        let one = || -> Result<Chosen, BadForm> {
            let id: RecordId =
                need("record")?.parse().map_err(|_| BadForm("the id of the record is none".to_owned()))?;
            Ok(Chosen::Records(vec![(side(need("side")?)?, id)]))
        };
        let (want, of) = match kind {
            "resolve" => (resolution(fields)?, one()?),
            "resolve-all" => (resolution(fields)?, Chosen::Conflicting),
            "retry" => (Want::Retry, one()?),
            "retry-all" => (Want::Retry, Chosen::Failed),
            "skip" => (Want::Skip, one()?),
            "unskip" => (Want::Unskip, one()?),
            "unskip-all" => (Want::Unskip, Chosen::Skipped),
            "sync" => (Want::Synchronize { direction: None, create: get("create") == Some("yes") }, one()?),
            other => return Err(BadForm(format!("there is no act {other:?}"))),
        };
        Ok(Self::Ask { mapping, want, of, label: get("label").unwrap_or_default().to_owned() })
    }

    /// The act in words, as it is told while it is under way and afterwards.
    pub fn in_words(&self) -> String {
        match self {
            Self::Run { job, full: true } => format!("Full synchronization of {job}"),
            Self::Run { job, full: false } => format!("Run of {job}"),
            Self::Hold(job) => format!("Hold {job}"),
            Self::Release(job) => format!("Release {job}"),
            Self::Replay(None) => "Replay of all dead letters".to_owned(),
            Self::Replay(Some(message)) => format!("Replay of the dead letter {message}"),
            Self::Ask { mapping, want, of, label } => {
                let whom = match of {
                    Chosen::Failed => format!("everything that failed of {mapping}"),
                    Chosen::Conflicting => format!("all conflicts of {mapping}"),
                    Chosen::Skipped => format!("everything skipped of {mapping}"),
                    _ if label.is_empty() => format!("a record of {mapping}"),
                    _ => format!("{label} of {mapping}"),
                };
                match want {
                    Want::Retry => format!("Retry {whom}"),
                    Want::Skip => format!("Skip {whom}"),
                    Want::Unskip => format!("Bring back {whom}"),
                    Want::Resolve(Resolution { wins: Some(wins), .. }) => format!("Resolve {whom}: {wins} wins"),
                    Want::Resolve(_) => format!("Resolve {whom} field by field"),
                    _ => format!("Synchronize {whom}"),
                }
            }
        }
    }
}

/// A side, as forms and addresses write it.
///
/// # Errors
/// When it is none.
pub fn side(text: &str) -> Result<Side, BadForm> {
    match text {
        "bc" => Ok(Side::BusinessCentral),
        "dataverse" => Ok(Side::Dataverse),
        other => Err(BadForm(format!("{other:?} is no side"))),
    }
}

/// A side as forms and addresses write it.
pub fn side_word(side: Side) -> &'static str {
    match side {
        Side::BusinessCentral => "bc",
        Side::Dataverse => "dataverse",
    }
}

/// Who wins: a side in all fields, or one in each field that was chosen.
fn resolution(fields: &[(String, String)]) -> Result<Want, BadForm> {
    let wins = fields.iter().find(|(key, _)| key == "wins").map(|(_, value)| value.as_str()).unwrap_or_default();
    if wins != "fields" {
        return Ok(Want::Resolve(Resolution { wins: Some(side(wins)?), fields: BTreeMap::new() }));
    }
    let mut chosen = BTreeMap::new();
    for (key, value) in fields {
        if let Some(field) = key.strip_prefix(FIELD) {
            chosen.insert(field.to_owned(), side(value)?);
        }
    }
    match chosen.is_empty() {
        true => Err(BadForm("no side was chosen for any field".to_owned())),
        false => Ok(Want::Resolve(Resolution { wins: None, fields: chosen })),
    }
}

#[cfg(test)]
mod tests;
