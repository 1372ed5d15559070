//! Why a record ended as it did: the outcome, the cause, and the rule that decided about each field that differed.
//!
//! The rules are those of the decision itself: [`crate::decision::decide`] names them with what it decides.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::decision::{Ruling, Situation, TransferredField};
use crate::field_rule::FieldRule;
use crate::ids::{RecordId, RunId};
use crate::message::Direction;
use crate::outcome::IgnoreReason;
use crate::record::Values;
use crate::table::{Column, Side};
use crate::value::Value;

/// The longest value that is kept, in characters.
const LONGEST_VALUE: usize = 100;
/// The longest message that is kept, in characters.
const LONGEST_MESSAGE: usize = 500;

/// Where the value that was to be written comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The field at the source.
    #[default]
    Field,
    /// The field at the source, through the transformation of its row.
    Transformation,
    /// A constant of the mapping.
    Constant,
    /// The template for new records.
    Template,
    /// What is special about the mapping.
    MappingRule,
    /// One that another version knows.
    #[serde(other)]
    Other,
}

impl Origin {
    /// The origin in words; nothing for the field itself.
    pub fn in_words(self) -> Option<&'static str> {
        match self {
            Self::Field => None,
            Self::Transformation => Some("transformed"),
            Self::Constant => Some("a constant"),
            Self::Template => Some("from the template"),
            Self::MappingRule => Some("by the rules of the mapping"),
            Self::Other => Some("by something of another version"),
        }
    }
}

/// A field that was compared and differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldReason {
    /// Column at the source; `None` for a constant or a value of a rule.
    pub source: Option<String>,
    /// Column at the destination.
    pub destination: String,
    /// What the source held; `None` where nothing is known, an empty text for a blank, as in the next three.
    pub source_value: Option<String>,
    /// What the destination held.
    pub destination_value: Option<String>,
    /// What they held when they last agreed, in the destination's form.
    pub base: Option<String>,
    /// What was written; `None` when nothing was.
    pub written: Option<String>,
    /// Which rule decided.
    pub rule: FieldRule,
    /// Where the value comes from.
    pub origin: Origin,
}

impl FieldReason {
    /// What was decided about a field, with the values it was decided on. `origin` tells where the value of a field of this
    /// source and destination comes from.
    pub fn of(situation: &Situation<'_>, field: &TransferredField, ruling: Ruling, origin: Origin) -> Self {
        let (here, there) = (situation.direction.source(), situation.direction.destination());
        let base = situation.base.get(there, &field.destination);
        let base = base.or_else(|| situation.base.get(here, field.source.as_ref()?));
        let source = field.source.as_ref();
        Self {
            source: source.map(|column| column.name.clone()),
            destination: field.destination.name.clone(),
            source_value: source.and_then(|column| situation.source.known(&column.name)).map(shown),
            destination_value: situation
                .destination
                .and_then(|record| record.known(&field.destination.name))
                .map(shown),
            base: base.as_ref().map(shown),
            written: ruling.writes.then(|| shown(&field.desired)),
            rule: ruling.rule,
            origin,
        }
    }

    /// A field that an attempt which broke off has written: what the two agreed on before, and what they agree on since.
    pub fn of_earlier(direction: Direction, field: &TransferredField, before: &Base, after: &Base) -> Self {
        let (here, there) = (direction.source(), direction.destination());
        let of = |base: &Base, side, column: &Column| base.get(side, column).as_ref().map(shown);
        let source = field.source.as_ref();
        Self {
            source: source.map(|column| column.name.clone()),
            destination: field.destination.name.clone(),
            source_value: source.and_then(|column| of(after, here, column)),
            destination_value: of(before, there, &field.destination),
            base: of(before, there, &field.destination),
            written: of(after, there, &field.destination),
            rule: FieldRule::EarlierAttempt,
            origin: Origin::Field,
        }
    }

    /// A column of the destination that the mapping's rules set beside what travels.
    pub fn beside(column: &str, value: &Value) -> Self {
        Self {
            source: None,
            destination: column.to_owned(),
            source_value: None,
            destination_value: None,
            base: None,
            written: Some(shown(value)),
            rule: FieldRule::Beside,
            origin: Origin::MappingRule,
        }
    }

    /// A field that stayed behind before anything was compared.
    pub fn left_behind(source: &str, destination: String, value: Option<&Value>) -> Self {
        Self {
            source: Some(source.to_owned()),
            destination,
            source_value: value.map(shown),
            destination_value: None,
            base: None,
            written: None,
            rule: FieldRule::StayedBehind,
            origin: Origin::Field,
        }
    }

    /// The same after the write: what was left out of it stayed behind.
    #[must_use]
    pub fn after_write(mut self, values: Option<&Values>) -> Self {
        let is_meant = self.written.is_some() && self.rule != FieldRule::EarlierAttempt;
        if is_meant && values.is_none_or(|values| !values.contains_key(self.destination.as_str())) {
            self.written = None;
            self.rule = FieldRule::StayedBehind;
        }
        self
    }

    /// The same of a record of which nothing was written, unless an earlier attempt did.
    #[must_use]
    pub fn unwritten(self) -> Self {
        let written = self.written.filter(|_| self.rule == FieldRule::EarlierAttempt);
        Self { written, ..self }
    }

    /// The columns of Business Central and of Dataverse, for a record that travelled this way.
    pub fn columns(&self, direction: Direction) -> (Option<&str>, Option<&str>) {
        let (source, destination) = (self.source.as_deref(), Some(self.destination.as_str()));
        match direction {
            Direction::ToDataverse => (source, destination),
            Direction::FromDataverse => (destination, source),
        }
    }
}

/// A value as the history shows it: a blank is an empty text, and a long one is cut, which shows.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        other => cut(&other.to_string(), LONGEST_VALUE),
    }
}

/// A message as the history keeps it.
pub fn cut_message(message: &str) -> String {
    cut(message, LONGEST_MESSAGE)
}

fn cut(text: &str, longest: usize) -> String {
    let length = text.chars().count();
    if length <= longest {
        return text.to_owned();
    }
    let kept: String = text.chars().take(longest).collect();
    format!("{kept}… ({} more characters)", length - longest)
}

/// How a record ended, as the history tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryOutcome {
    /// Created at the destination.
    Inserted,
    /// Written at the destination.
    Modified,
    /// Coupled with a record that was there; nothing was to be written.
    Coupled,
    /// Nothing was to be written.
    Unchanged,
    /// Left alone on purpose.
    Ignored,
    /// Marked as skipped.
    Skipped,
    /// Coupled no more.
    Uncoupled,
    /// Changed on both sides.
    Conflict,
    /// A person must mend it.
    Failed,
    /// Waits until another record is coupled.
    Waiting,
    /// Waits as before, although the mapping it waits for has run meanwhile.
    WaitingInVain,
    /// One that another version knows.
    #[serde(other)]
    Other,
}

impl HistoryOutcome {
    /// The outcome in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Modified => "modified",
            Self::Coupled => "coupled",
            Self::Unchanged => "unchanged",
            Self::Ignored => "ignored",
            Self::Skipped => "skipped",
            Self::Uncoupled => "uncoupled",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::WaitingInVain => "waiting in vain",
            Self::Other => "an outcome of another version",
        }
    }
}

/// What made a record end as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A side has changed it since both agreed last.
    Changed,
    /// It had no partner.
    NewRecord,
    /// Its partner was deleted, and is made again.
    Restored,
    /// A record that was there became its partner.
    Matched,
    /// A person coupled it.
    CoupledByPerson,
    /// A person asked for it, or a full synchronization compares everything: the source wins.
    SourceWins,
    /// A person settled what both sides had changed.
    Settled,
    /// A person brought it back after it was skipped.
    Unskipped,
    /// A person skipped it.
    SkippedByPerson,
    /// A person uncoupled it.
    UncoupledByPerson,
    /// A person deleted what was left of its pair.
    DeletedByPerson,
    /// A person took the row off the company.
    LeftCompany,
    /// An attempt that broke off has written it.
    EarlierAttempt,
    /// Its lines have changed.
    Lines,
    /// What the mapping's rules keep beside it has changed.
    Beside,
    /// It was deleted at the source.
    SourceDeleted,
    /// It was deleted at the source, and its partner with it.
    DeletedOnBothSides,
    /// Its partner was deleted.
    PartnerDeleted,
    /// It takes part no more, and its partner was deleted.
    TakesNoPart,
    /// A failure that was told before is over.
    FailureOver,
    /// A person asked for it.
    AskedFor,
    /// Both sides have changed the same fields.
    BothSides,
    /// It cannot be synchronized as it is.
    NotPossible,
    /// It needs another record first.
    Needs,
    /// One that another version knows.
    #[serde(other)]
    Other,
}

impl Cause {
    /// Whether it may end a pair, after which neither record leads to the other.
    pub fn ends_a_pair(self) -> bool {
        matches!(
            self,
            Self::UncoupledByPerson
                | Self::DeletedByPerson
                | Self::SourceDeleted
                | Self::DeletedOnBothSides
                | Self::PartnerDeleted
                | Self::TakesNoPart
        )
    }

    /// The cause in words, for a record that travels this way.
    pub fn in_words(self, direction: Direction) -> String {
        let (here, there) = (direction.source(), direction.destination());
        match self {
            Self::Changed => "it was changed since both sides last agreed".to_owned(),
            Self::NewRecord => format!("it had no partner in {there}"),
            Self::Restored => format!("its partner in {there} was deleted, and was made again"),
            Self::Matched => format!("a record that was there in {there} became its partner"),
            Self::CoupledByPerson => "a person coupled it".to_owned(),
            Self::SourceWins => {
                format!("a person asked for it, or a full synchronization compared it: {here} wins")
            }
            Self::Settled => "a person settled what both sides had changed".to_owned(),
            Self::Unskipped => "a person brought it back after it was skipped".to_owned(),
            Self::SkippedByPerson => "a person skipped it".to_owned(),
            Self::UncoupledByPerson => "a person uncoupled it; both records stay".to_owned(),
            Self::DeletedByPerson => format!("it was deleted in {here}, and a person deleted its partner in {there}"),
            Self::LeftCompany => "a person took the row off the company".to_owned(),
            Self::EarlierAttempt => "an attempt that broke off had written it".to_owned(),
            Self::Lines => "its lines were changed".to_owned(),
            Self::Beside => "what the mapping keeps beside it was changed".to_owned(),
            Self::SourceDeleted => format!("it was deleted in {here}, and the mapping's deletion rule was followed"),
            Self::DeletedOnBothSides => format!("it was deleted in {here}, and its partner in {there} with it"),
            Self::PartnerDeleted => format!("its partner in {there} was deleted"),
            Self::TakesNoPart => format!("it takes part no more, and its partner in {there} was deleted"),
            Self::FailureOver => "it agrees again: a failure that was told before is over".to_owned(),
            Self::AskedFor => "a person asked for it".to_owned(),
            Self::BothSides => "both sides changed the same fields".to_owned(),
            Self::NotPossible => "it cannot be synchronized as it is".to_owned(),
            Self::Needs => "it needs another record to be coupled first".to_owned(),
            Self::Other => "a cause of another version".to_owned(),
        }
    }
}

/// How one record ended once, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: String,
    /// Which way it travelled.
    pub direction: Direction,
    /// The record of Business Central, if it was known.
    pub business_central: Option<RecordId>,
    /// The row of Dataverse, if it was known.
    pub dataverse: Option<RecordId>,
    /// The partner it had before, if that was deleted and is made again.
    pub former: Option<RecordId>,
    /// How it ended.
    pub outcome: HistoryOutcome,
    /// What made it end so.
    pub cause: Cause,
    /// What was told of it.
    pub message: Option<String>,
    /// The fields that were compared and differed.
    pub fields: Vec<FieldReason>,
    /// How many more there were than the store keeps.
    pub more_fields: usize,
    /// Tells two changes of a record in one run apart: the same for a message that is delivered again.
    #[serde(skip)]
    pub change: u32,
}

impl HistoryEntry {
    /// The id of the record on a side, if it was known.
    pub fn id(&self, side: Side) -> Option<RecordId> {
        match side {
            Side::BusinessCentral => self.business_central,
            Side::Dataverse => self.dataverse,
        }
    }
}

/// Why a record was left alone, in words.
pub fn ignored_in_words(reason: &IgnoreReason) -> String {
    match reason {
        IgnoreReason::OutsideFilter(column) => format!("outside the mapping's filter: {column}"),
        IgnoreReason::NotCoupled => "not coupled, and only coupled records travel".to_owned(),
        IgnoreReason::Deleted => "it is not there any more".to_owned(),
        IgnoreReason::Rule(reason) => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        let text = |length: usize| Value::text("ü".repeat(length));
        assert_eq!(shown(&text(LONGEST_VALUE)), "ü".repeat(LONGEST_VALUE));
        let cut = shown(&text(LONGEST_VALUE + 7));
        assert_eq!(cut, format!("{}… (7 more characters)", "ü".repeat(LONGEST_VALUE)));
        assert_eq!(shown(&Value::Null), "");
    }

    #[test]
    fn what_another_version_writes_is_read() {
        let read = |text: &str| serde_json::from_str::<FieldRule>(text).expect("a word");
        assert_eq!((read("\"one_way\""), read("\"of_tomorrow\"")), (FieldRule::OneWay, FieldRule::Other));
        assert_eq!(serde_json::from_str::<Cause>("\"of_tomorrow\"").expect("a word"), Cause::Other);
    }
}
