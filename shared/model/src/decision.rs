//! What to write for one record: a three-way comparison of source, destination and base.
//!
//! The base is what both sides held when they last agreed. A field changed on the source only is written; changed on
//! the destination only it is left for the other direction to bring; changed on both to different values it is a
//! conflict for the mapping's rule. Where the built-in integration calls any two changes on both sides a conflict
//! (R73), Couplet merges field by field.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::field_rule::FieldRule;
use crate::message::{Direction, Resolution};
use crate::outcome::FieldConflict;
use crate::record::{Record, Values};
use crate::table::{Column, Side};
use crate::value::Value;

/// How conflicts of a mapping are settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictRule {
    /// Not at all: the record fails and names the fields.
    #[default]
    None,
    /// Business Central wins.
    ToDataverse,
    /// Dataverse wins.
    FromDataverse,
}

/// Which ways a field travels, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Travel {
    /// Both ways, so that a change at the destination counts.
    BothWays,
    /// From the source only: it is written whenever the destination differs.
    OneWay,
    /// It is written only when the record is created.
    OnCreateOnly,
}

/// One field on its way: what the destination should hold.
#[derive(Clone, Debug)]
pub struct TransferredField {
    /// Column at the source; `None` for a constant or a value set by a rule.
    pub source: Option<Arc<Column>>,
    /// Column at the destination.
    pub destination: Arc<Column>,
    /// What the destination should hold.
    pub desired: Value,
    /// Which ways it travels, and when.
    pub travel: Travel,
}

/// What to do with the destination record.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Create it with these values.
    Create {
        /// Values to write.
        values: Values,
        /// Base after the write.
        base: Base,
    },
    /// Write these values.
    Update {
        /// Changed values only.
        values: Values,
        /// Base after the write.
        base: Base,
    },
    /// Nothing to write.
    Unchanged {
        /// Base as it is to be kept; may differ from the stored one when both sides made the same change.
        base: Base,
    },
    /// Both sides changed these fields and no rule settles it.
    Conflict(Vec<FieldConflict>),
}

/// How far a destination record has come into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It has still to be created.
    Due,
    /// An earlier attempt created it, and this one finishes what that began. What the attempt left blank, the system has filled
    /// in by itself, and that stays: the record becomes what it would be, had the attempt not broken off.
    Begun,
    /// It belonged to the pair before.
    Over,
}

/// Everything a decision looks at.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Which way the record travels.
    pub direction: Direction,
    /// The source record.
    pub source: &'a Record,
    /// The destination record, when it exists and was read.
    pub destination: Option<&'a Record>,
    /// How far the destination record has come into being.
    pub creation: Creation,
    /// What both sides held when they last agreed.
    pub base: &'a Base,
    /// Whether the source wins without question.
    pub force: bool,
    /// Who wins a conflict.
    pub rule: ConflictRule,
    /// How a person settles it instead.
    pub resolution: Option<&'a Resolution>,
    /// Destination columns whose rows are new here, or came back after they were not used. Where the two have never been agreed
    /// on, a side is taken instead of calling it a conflict of every record.
    pub newcomers: &'a BTreeSet<String>,
}

impl Situation<'_> {
    /// Who wins where both sides changed a field, and whether a person chose it.
    fn rule_of(&self, field: &TransferredField) -> (ConflictRule, bool) {
        let source = field.source.as_ref().map(|column| column.name.as_str());
        let names = [source.unwrap_or_default(), field.destination.name.as_str()];
        match self.resolution.and_then(|resolution| resolution.winner(&names)) {
            Some(Side::BusinessCentral) => (ConflictRule::ToDataverse, true),
            Some(Side::Dataverse) => (ConflictRule::FromDataverse, true),
            None => (self.rule, false),
        }
    }
}

/// Which rule decided about a field that differed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Its place among the transferred fields.
    pub field: usize,
    /// The rule.
    pub rule: FieldRule,
    /// Whether it is to be written.
    pub writes: bool,
}

/// What to do with a record, and which rules say so.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What to do.
    pub decision: Decision,
    /// The rules, for every field that was compared and differed.
    pub rulings: Vec<Ruling>,
}

enum Verdict {
    Write(FieldRule),
    Agreed,
    Leave(FieldRule),
    /// It is not compared.
    Skip,
    Conflict,
}

/// Decides what to write.
pub fn decide(situation: &Situation<'_>, fields: &[TransferredField]) -> Judgement {
    let mut values = Values::new();
    let mut rulings = Vec::new();
    let mut base = situation.base.clone();
    let mut conflicts = Vec::new();
    let source_side = situation.direction.source();
    let destination_side = situation.direction.destination();
    for (place, field) in fields.iter().enumerate() {
        let verdict = if situation.creation == Creation::Due {
            Verdict::Write(FieldRule::NewRecord)
        } else if field.travel == Travel::OnCreateOnly {
            Verdict::Skip
        } else {
            judge(situation, field)
        };
        let ruling = |rule, writes| Ruling { field: place, rule, writes };
        match verdict {
            Verdict::Write(rule) => {
                if !is_left_to_the_system(situation, field) {
                    rulings.push(ruling(rule, true));
                    values.insert(Arc::from(field.destination.name.as_str()), field.desired.clone());
                }
            }
            Verdict::Agreed => {}
            Verdict::Leave(rule) => {
                rulings.push(ruling(rule, false));
                continue;
            }
            Verdict::Skip => continue,
            Verdict::Conflict => {
                rulings.push(ruling(FieldRule::Conflict, false));
                conflicts.push(describe(situation, field));
                continue;
            }
        }
        if let Some(source) = &field.source
            && let Some(value) = situation.source.known(&source.name)
        {
            base.set(source_side, &source.name, value);
        }
        base.set(destination_side, &field.destination.name, &field.desired);
    }
    let decision = if !conflicts.is_empty() {
        Decision::Conflict(conflicts)
    } else if situation.creation == Creation::Due {
        Decision::Create { values, base }
    } else if values.is_empty() {
        Decision::Unchanged { base }
    } else {
        Decision::Update { values, base }
    };
    Judgement { decision, rulings }
}

/// Whether a column of a new record is left to the system to fill in: what is blank and we never wrote a value to.
fn is_left_to_the_system(situation: &Situation<'_>, field: &TransferredField) -> bool {
    let wrote = || situation.base.get(situation.direction.destination(), &field.destination);
    field.desired.is_null()
        && match situation.creation {
            Creation::Due => true,
            Creation::Begun => wrote().is_none_or(|value| value.is_null()),
            Creation::Over => false,
        }
}

fn judge(situation: &Situation<'_>, field: &TransferredField) -> Verdict {
    let destination_side = situation.direction.destination();
    let known = situation.base.get(destination_side, &field.destination);
    let source_changed = match &field.source {
        Some(source) => {
            situation.base.get(situation.direction.source(), source).as_ref() != situation.source.known(&source.name)
        }
        None => true,
    };
    let current = match situation.destination.map(|record| record.known(&field.destination.name)) {
        Some(Some(current)) => Some(current.clone()),
        // What the destination holds is unknown, and whether somebody changed it too: it is left alone.
        Some(None) if source_changed => return Verdict::Leave(FieldRule::UnknownThere),
        Some(None) => return Verdict::Skip,
        None => known.clone(),
    };
    if current.as_ref().is_some_and(|current| are_alike(current, &field.desired)) {
        return Verdict::Agreed;
    }
    if field.travel == Travel::BothWays
        && let Some(source) = &field.source
        && !situation.base.is_empty()
    {
        // The rest of the record has been agreed on and this field never: it stayed behind when the record was written, or
        // its row is new. A blank is nobody's change then, and wins over no value, whichever side wins.
        let seen = situation.base.get(situation.direction.source(), source);
        if (known.is_none() || seen.is_none()) && field.desired.is_nothing() {
            return Verdict::Leave(FieldRule::BlankAtFirst);
        }
        if known.is_none() && seen.is_none() && current.as_ref().is_none_or(Value::is_nothing) {
            return Verdict::Write(FieldRule::FirstValue);
        }
    }
    let destination_changed = known != current;
    if field.travel != Travel::BothWays {
        return Verdict::Write(FieldRule::OneWay);
    }
    if situation.force || situation.destination.is_none() {
        let only_source = source_changed && !destination_changed;
        return Verdict::Write(if only_source { FieldRule::SourceChanged } else { FieldRule::SourceWins });
    }
    match (source_changed, destination_changed) {
        (true, false) => Verdict::Write(FieldRule::SourceChanged),
        (false, true) => Verdict::Leave(FieldRule::DestinationChanged),
        // Neither changed and yet they differ: a value that was cut or translated on its way. Leave it in peace.
        (false, false) => Verdict::Leave(FieldRule::NeitherChanged),
        (true, true) => {
            let (rule, is_chosen) = situation.rule_of(field);
            match (rule, situation.direction) {
                // Nobody knows who changed it, and what travels was changed last.
                (ConflictRule::None, _)
                    if known.is_none()
                        && !situation.base.is_empty()
                        && situation.newcomers.contains(&field.destination.name) =>
                {
                    Verdict::Write(FieldRule::NewRow)
                }
                (ConflictRule::None, _) => Verdict::Conflict,
                (ConflictRule::ToDataverse, Direction::ToDataverse)
                | (ConflictRule::FromDataverse, Direction::FromDataverse) => Verdict::Write(match is_chosen {
                    true => FieldRule::PersonSource,
                    false => FieldRule::ConflictRuleSource,
                }),
                (ConflictRule::ToDataverse, Direction::FromDataverse)
                | (ConflictRule::FromDataverse, Direction::ToDataverse) => Verdict::Leave(match is_chosen {
                    true => FieldRule::PersonDestination,
                    false => FieldRule::ConflictRuleDestination,
                }),
            }
        }
    }
}

/// Whether two values say the same: equal, or a zero beside a blank. Business Central cannot leave a number or a flag
/// blank, so the zero it shows there is no news to Dataverse.
pub(crate) fn are_alike(a: &Value, b: &Value) -> bool {
    a == b || (a.is_null() || b.is_null()) && a.is_nothing() && b.is_nothing()
}

fn describe(situation: &Situation<'_>, field: &TransferredField) -> FieldConflict {
    let source_caption = field.source.as_ref().map_or("constant", |column| column.caption.as_str()).to_owned();
    let source_value = field
        .source
        .as_ref()
        .map_or_else(|| field.desired.to_string(), |column| situation.source.get(&column.name).to_string());
    let destination_caption = field.destination.caption.clone();
    let destination_value =
        situation.destination.map_or_else(String::new, |record| record.get(&field.destination.name).to_string());
    match situation.direction {
        Direction::ToDataverse => FieldConflict {
            business_central: source_caption,
            business_central_value: source_value,
            dataverse: destination_caption,
            dataverse_value: destination_value,
        },
        Direction::FromDataverse => FieldConflict {
            business_central: destination_caption,
            business_central_value: destination_value,
            dataverse: source_caption,
            dataverse_value: source_value,
        },
    }
}

#[cfg(test)]
mod tests;
