//! Columns that turned blank: a column that our user may not read is shown as null, which must not be taken for what a
//! person cleared.
//!
//! When coupled records lose the value of a column and no record beside them shows one, the system is asked once more:
//! whether it hides the column, and whether any record shows a value. Hidden columns are unknown from then on. Where it
//! hides nothing and yet nobody has a value, a few blanks are believed; many at once are not, until a value shows again.

use std::collections::BTreeMap;

use couplet_model::facts::{Sight, TableFacts};
use couplet_model::table::{Side, Table};
use couplet_model::{ActiveMapping, Coupling, CouplingState, FieldType, Record};
use serde_json::{Value as Json, json};

use super::Installation;
use crate::error::EngineError;

/// So many coupled records that lose a column's value at once, while nobody keeps one, are no person's work. A person who
/// clears a list by hand or by import is rather seen in one column of some rows than in the last value of all.
const MANY: usize = 10;

/// What to make of a column that turned blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belief {
    /// Blank means blank.
    Believed,
    /// The system hides the column from us.
    Hidden,
    /// Too many lost their value at once.
    Held,
}

fn judge(sight: Sight, lost: usize, held_before: bool) -> Belief {
    match sight {
        Sight::Clear => Belief::Believed,
        Sight::Hidden => Belief::Hidden,
        Sight::Empty if held_before || lost >= MANY => Belief::Held,
        Sight::Empty => Belief::Believed,
    }
}

/// Columns in which coupled records have lost their value, or that were left out of them, while none of these records shows
/// one; and how many have.
fn turned_blank<'a>(
    table: &Table,
    columns: &[&String],
    records: impl Iterator<Item = (&'a Record, Option<&'a Coupling>)>,
) -> BTreeMap<String, usize> {
    let mut lost = vec![0; columns.len()];
    let mut shown = vec![false; columns.len()];
    for (record, coupling) in records {
        let coupling = coupling.filter(|coupling| coupling.state == CouplingState::Coupled);
        for (place, name) in columns.iter().enumerate() {
            if record.known(name).is_some_and(|value| !value.is_null()) {
                shown[place] = true;
            } else if coupling.is_some_and(|coupling| had_something(coupling, table, name)) {
                lost[place] += 1;
            }
        }
    }
    let found = columns.iter().zip(lost).zip(shown).filter(|((_, lost), shown)| *lost > 0 && !shown);
    found.map(|((name, lost), _)| ((*name).clone(), lost)).collect()
}

/// Whether a column held something when both sides last agreed: a flag that was not set, or a zero, is no loss.
fn had_something(coupling: &Coupling, table: &Table, name: &str) -> bool {
    coupling.base.has_value(table.side, name)
        && table
            .column(name)
            .and_then(|column| coupling.base.get(table.side, column))
            .is_none_or(|was| !was.is_nothing())
}

/// Column security is not for lookups and ids.
fn can_be_hidden(field: &FieldType) -> bool {
    !matches!(field, FieldType::Lookup { .. } | FieldType::Guid | FieldType::EntityName)
}

impl Installation {
    /// What a system says about the columns of one of its tables.
    pub(crate) async fn table_facts(&self, table: &Table) -> Result<std::sync::Arc<TableFacts>, EngineError> {
        Ok(self.system(table.side).facts(table).await?)
    }

    /// Makes columns unknown whose blanks are not to be believed, in records of one table that were read at one time with
    /// these columns. Gives a note for each such column.
    pub(crate) async fn distrust_blanks(
        &self,
        table: &Table,
        columns: &[String],
        records: &mut [(&mut Record, Option<&Coupling>)],
    ) -> Result<Vec<String>, EngineError> {
        let facts = self.table_facts(table).await?;
        let can_be_hidden = |name: &str| table.column(name).is_some_and(|column| can_be_hidden(&column.field));
        let asked: Vec<&String> = columns.iter().filter(|name| facts.may_read(name) && can_be_hidden(name)).collect();
        let lost = turned_blank(table, &asked, records.iter().map(|(record, coupling)| (&**record, *coupling)));
        if lost.is_empty() {
            return Ok(Vec::new());
        }
        let columns: Vec<String> = lost.keys().cloned().collect();
        let sights = self.system(table.side).look_again(table, &columns).await?;
        if sights.values().all(|sight| *sight == Sight::Clear) {
            return Ok(Vec::new());
        }
        let setting = format!("held columns of {}", table.name);
        let before = self.store().setting(self.company(), &setting).await?.unwrap_or_else(|| json!({}));
        let mut held = before.clone();
        let mut notes = Vec::new();
        for (name, lost) in lost {
            let sight = sights.get(&name).copied().unwrap_or(Sight::Clear);
            let belief = judge(sight, lost, before.get(&name).is_some());
            match belief {
                Belief::Believed => {
                    if let Json::Object(held) = &mut held {
                        held.remove(&name);
                    }
                    continue;
                }
                Belief::Hidden => notes.push(hidden_note(table, &name)),
                Belief::Held => {
                    notes.push(held_note(table, &name, lost));
                    if let Json::Object(held) = &mut held {
                        held.entry(name.clone()).or_insert_with(|| json!(self.now().to_string()));
                    }
                }
            }
            for (record, _) in records.iter_mut() {
                record.forget(&name);
            }
        }
        if held != before {
            self.store().put_setting(self.company(), &setting, &held).await?;
        }
        Ok(notes)
    }

    /// What the operator should know about the columns of a mapping before its records are looked at.
    pub(crate) async fn column_notes(&self, mapping: &ActiveMapping) -> Result<Vec<String>, EngineError> {
        let mut notes = Vec::new();
        for side in [Side::BusinessCentral, Side::Dataverse] {
            let table = mapping.table(side);
            let facts = self.table_facts(table).await?;
            notes.extend(facts.note.clone());
            for name in mapping.columns(side).iter().filter(|name| !facts.may_read(name)) {
                notes.push(hidden_note(table, name));
            }
            for name in mapping.columns(side).iter().filter(|name| facts.may_read(name)) {
                if !facts.may_write(name, false) {
                    notes.push(format!(
                        "Column {name} of {} in {side} is under column security and Couplet's application user may not change it: \
                         it is left as it is there. Give the user a column security profile that may update it.",
                        table.name
                    ));
                }
            }
        }
        Ok(notes)
    }
}

fn hidden_note(table: &Table, column: &str) -> String {
    format!(
        "Column {column} of {} in {} is under column security and Couplet's application user may not read it: its values are left \
         alone on both sides, everything else travels. Give the user a column security profile that may read and update it.",
        table.name, table.side
    )
}

fn held_note(table: &Table, column: &str, lost: usize) -> String {
    format!(
        "Column {column} of {} in {} turned blank in {lost} coupled records at once and no record there shows a value any more: \
         the blanks are not brought across. If the application user may not read the column, let it; if the values were cleared \
         on purpose, enter one in any record there, and blanks are believed again.",
        table.name, table.side
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use couplet_model::table::{Access, Column};
    use couplet_model::{DataverseId, RecordId, SystemId, Value};
    use uuid::Uuid;

    fn table() -> Table {
        let column = |(name, field): (&str, FieldType)| {
            let column = Column {
                name: name.to_owned(),
                caption: name.to_owned(),
                field,
                access: Access::Full,
                standard: true,
                companion: false,
                options: BTreeMap::new(),
            };
            (name.to_owned(), Arc::new(column))
        };
        let lookup = FieldType::Lookup { targets: vec!["contact".to_owned()] };
        let columns =
            [("fax", FieldType::Text { length: 20 }), ("merged", FieldType::Bool), ("primarycontactid", lookup)];
        Table {
            side: Side::Dataverse,
            name: "account".into(),
            entity_set: None,
            companion_entity_set: None,
            companion_takes_id: false,
            companion_parent: None,
            choice: None,
            id_column: "accountid".into(),
            modified_column: None,
            label_column: None,
            company_column: None,
            takes_upsert: true,
            columns: columns.into_iter().map(column).collect(),
        }
    }

    fn record(fax: Option<&str>) -> Record {
        let fax = fax.map_or(Value::Null, Value::text);
        let values = [(Arc::from("fax"), fax), (Arc::from("primarycontactid"), Value::Null)].into();
        Record { id: RecordId(Uuid::nil()), version: None, modified: None, values, unreadable: None }
    }

    fn coupling() -> Coupling {
        let mut coupling = Coupling::new(SystemId(Uuid::nil()), DataverseId(Uuid::nil()), CouplingState::Coupled);
        coupling.base.set(Side::Dataverse, "fax", &Value::text("1"));
        coupling.base.set(Side::Dataverse, "primarycontactid", &Value::Guid(Uuid::from_u128(1)));
        coupling
    }

    #[test]
    fn f02_only_columns_that_no_record_shows_are_in_doubt() {
        let (known, blank, shown) = (coupling(), record(None), record(Some("2")));
        let fax = "fax".to_owned();
        let lost = |records: &[(&Record, Option<&Coupling>)]| turned_blank(&table(), &[&fax], records.iter().copied());
        assert_eq!(lost(&[(&blank, Some(&known)), (&blank, Some(&known))]), BTreeMap::from([("fax".to_owned(), 2)]));
        assert_eq!(lost(&[(&blank, Some(&known)), (&shown, None)]), BTreeMap::new());
        assert_eq!(lost(&[(&blank, None)]), BTreeMap::new());
        let mut left_out = record(None);
        left_out.forget("fax");
        assert_eq!(lost(&[(&left_out, Some(&known))]), BTreeMap::from([("fax".to_owned(), 1)]));
        let never = Coupling::new(SystemId(Uuid::nil()), DataverseId(Uuid::nil()), CouplingState::Coupled);
        assert_eq!(lost(&[(&blank, Some(&never))]), BTreeMap::new());
    }

    #[test]
    fn f02_a_flag_that_was_not_set_is_no_loss() {
        for (was, lost) in [(true, BTreeMap::from([("merged".to_owned(), 1)])), (false, BTreeMap::new())] {
            let mut known = coupling();
            known.base.set(Side::Dataverse, "merged", &Value::Bool(was));
            let blank = record(None);
            assert_eq!(turned_blank(&table(), &[&"merged".to_owned()], [(&blank, Some(&known))].into_iter()), lost);
        }
    }

    #[test]
    fn f02_many_blanks_at_once_are_held_until_a_value_shows_and_a_few_are_believed() {
        for (sight, lost, before, expected) in [
            (Sight::Clear, 1, false, Belief::Believed),
            (Sight::Clear, 500, true, Belief::Believed),
            (Sight::Hidden, 1, false, Belief::Hidden),
            (Sight::Empty, 1, false, Belief::Believed),
            (Sight::Empty, MANY - 1, false, Belief::Believed),
            (Sight::Empty, MANY, false, Belief::Held),
            (Sight::Empty, 1, true, Belief::Held),
        ] {
            assert_eq!(judge(sight, lost, before), expected, "{sight:?} {lost} {before}");
        }
    }
}
