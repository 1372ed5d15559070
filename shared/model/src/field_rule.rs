//! The rules by which a decision about one field is made, as typed data: [`crate::decision::decide`] names them.

use serde::{Deserialize, Serialize};

use crate::message::Direction;

/// Which rule decided about one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldRule {
    /// The record was created.
    NewRecord,
    /// Only the source has changed the field.
    SourceChanged,
    /// Only the destination has changed it: it is left for the other direction to bring.
    DestinationChanged,
    /// Both have changed it, and the mapping's conflict rule lets the source win.
    ConflictRuleSource,
    /// Both have changed it, and the mapping's conflict rule lets the destination win.
    ConflictRuleDestination,
    /// Both have changed it, and a person lets the source win.
    PersonSource,
    /// Both have changed it, and a person lets the destination win.
    PersonDestination,
    /// Both have changed it, and nobody wins: nothing of the record is written.
    Conflict,
    /// The source wins, because a person asked for the record or a full synchronization compares everything.
    SourceWins,
    /// The two records were coupled just now: the source wins the first time (R50).
    FirstTime,
    /// It travels from the source only.
    OneWay,
    /// It was never agreed on, and the destination has no value in it.
    FirstValue,
    /// It was never agreed on, and the source has no value in it.
    BlankAtFirst,
    /// Its row came, or came back, after the record was synchronized last: what travels was changed last.
    NewRow,
    /// Neither side has changed it: a value that was cut or translated on its way.
    NeitherChanged,
    /// What the destination holds is not known.
    UnknownThere,
    /// It could not be written, and is tried again.
    StayedBehind,
    /// An attempt that broke off has written it.
    EarlierAttempt,
    /// The mapping's rules keep it beside what travels.
    Beside,
    /// One that another version knows.
    #[serde(other)]
    Other,
}

impl FieldRule {
    /// The rule in words, for a record that travels this way.
    pub fn in_words(self, direction: Direction) -> String {
        let (here, there) = (direction.source(), direction.destination());
        match self {
            Self::NewRecord => "new record".to_owned(),
            Self::SourceChanged => format!("only {here} changed it"),
            Self::DestinationChanged => format!("only {there} changed it: left for the other direction"),
            Self::ConflictRuleSource => format!("both changed it; the mapping's conflict rule lets {here} win"),
            Self::ConflictRuleDestination => format!("both changed it; the mapping's conflict rule lets {there} win"),
            Self::PersonSource => format!("both changed it; a person lets {here} win"),
            Self::PersonDestination => format!("both changed it; a person lets {there} win"),
            Self::Conflict => "both changed it, and no rule settles it".to_owned(),
            Self::SourceWins => format!("{here} wins: a person asked for it, or a full synchronization"),
            Self::FirstTime => format!("just coupled: {here} wins the first time"),
            Self::OneWay => format!("it travels from {here} only"),
            Self::FirstValue => format!("never agreed on, and {there} had no value"),
            Self::BlankAtFirst => format!("never agreed on, and {here} has no value: left alone"),
            Self::NewRow => format!("its row is new: {here} wins"),
            Self::NeitherChanged => "neither changed it: cut or translated on its way, left alone".to_owned(),
            Self::UnknownThere => format!("what {there} holds is not known: left alone"),
            Self::StayedBehind => "it could not be written, and is tried again".to_owned(),
            Self::EarlierAttempt => "written by an attempt that broke off".to_owned(),
            Self::Beside => "kept beside the record by the rules of the mapping".to_owned(),
            Self::Other => "a rule of another version".to_owned(),
        }
    }
}
