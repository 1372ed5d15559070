//! Which of several records is the one that was to be created: by its key, else by its name and its other texts.

use couplet_model::comparing::same;
use couplet_model::coupling::Base;
use couplet_model::table::{Column, FieldType, Side, Table};
use couplet_model::{Record, Value};

/// The column with the name of a record.
const NAME: &str = "displayName";

/// The record that belongs to an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// None looks like it.
    Nothing,
    /// The one in this place.
    One(usize),
    /// Several look like it, none of them fully.
    Several(Vec<usize>),
}

/// How much of what was to be written a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Likeness {
    equal: usize,
    of: usize,
}

/// By what a record is known again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    /// By its key, its name and its other texts.
    Texts,
    /// By all that was written, numbers included, within what this column names: lines hardly have texts of their own.
    Values {
        /// The column that names the header of a line.
        header: &'a str,
    },
}

/// Chooses a record for each intent, no record twice. An intent is given as the values that both sides were to hold.
///
/// A record must have the key that was given, if one was, and the name that was given or more than half of the texts:
/// between the attempt and now a person may have changed it. Of several the one that is most alike is chosen; which of
/// several that agree in everything does not matter.
pub(crate) fn choose(side: Side, table: &Table, intents: &[&Base], records: &[Record], by: By<'_>) -> Vec<Choice> {
    let mut taken = vec![false; records.len()];
    let mut choices = Vec::with_capacity(intents.len());
    for intent in intents {
        let alike: Vec<(usize, Likeness)> = (0..records.len())
            .filter(|index| !taken[*index])
            .filter_map(|index| Some((index, likeness(side, table, intent, &records[index], by)?)))
            .collect();
        let most = alike.iter().map(|(_, likeness)| likeness.equal).max().unwrap_or_default();
        let best: Vec<(usize, Likeness)> = alike.into_iter().filter(|(_, likeness)| likeness.equal == most).collect();
        choices.push(match best.as_slice() {
            [] => Choice::Nothing,
            [(index, likeness), others @ ..] if others.is_empty() || likeness.equal == likeness.of => {
                taken[*index] = true;
                Choice::One(*index)
            }
            several => Choice::Several(several.iter().map(|(index, _)| *index).collect()),
        });
    }
    choices
}

fn likeness(side: Side, table: &Table, intent: &Base, record: &Record, by: By<'_>) -> Option<Likeness> {
    if let By::Values { header } = by {
        return likeness_of_line(side, table, intent, record, header);
    }
    let is_same = |name: Option<&str>| {
        let column = table.column(name?)?;
        let (wanted, found) = (text_of(side, intent, column)?, record.values.get(column.name.as_str())?);
        Some(is_equal(column, &wanted, found))
    };
    if is_same(table.label_column.as_deref()) == Some(false) {
        return None;
    }
    let mut likeness = Likeness { equal: 0, of: 0 };
    for column in table.columns.values() {
        // What was not read says nothing.
        if let Some(wanted) = text_of(side, intent, column)
            && let Some(found) = record.values.get(column.name.as_str())
        {
            likeness.of += 1;
            likeness.equal += usize::from(is_equal(column, &wanted, found));
        }
    }
    let has_the_name = is_same(Some(NAME)) == Some(true);
    (has_the_name || likeness.equal * 2 > likeness.of).then_some(likeness)
}

/// How much of what was to be written a line holds, if it is one of the header that was named.
fn likeness_of_line(side: Side, table: &Table, intent: &Base, record: &Record, header: &str) -> Option<Likeness> {
    let mut likeness = Likeness { equal: 0, of: 0 };
    for column in table.columns.values() {
        let Some(wanted) = intent.get(side, column).filter(|wanted| !wanted.is_null()) else { continue };
        let Some(found) = record.known(&column.name) else { continue };
        let is_same = match wanted.as_text() {
            Some(text) => is_equal(column, text, found),
            None => wanted == *found,
        };
        if column.name == header && !is_same {
            return None;
        }
        likeness.of += 1;
        likeness.equal += usize::from(is_same);
    }
    (likeness.equal * 2 > likeness.of).then_some(likeness)
}

/// The text the column was to hold, if it was to hold one.
fn text_of(side: Side, intent: &Base, column: &Column) -> Option<String> {
    if !matches!(column.field, FieldType::Text { .. } | FieldType::Code { .. }) {
        return None;
    }
    intent.get(side, column)?.as_text().map(str::to_owned)
}

fn is_equal(column: &Column, wanted: &str, found: &Value) -> bool {
    let Some(found) = found.as_text() else { return false };
    match column.field {
        FieldType::Code { .. } => same(wanted, found),
        _ => wanted == found,
    }
}

#[cfg(test)]
mod tests {
    use couplet_model::{Catalogue, RecordId};
    use uuid::Uuid;

    use super::*;

    const SIDE: Side = Side::BusinessCentral;

    fn intent(values: &[(&str, &str)]) -> Base {
        let mut base = Base::default();
        for (name, text) in values {
            base.set(SIDE, name, &Value::text(*text));
        }
        base
    }

    fn record(number: u128, values: &[(&str, &str)]) -> Record {
        let values = values.iter().map(|(name, text)| ((*name).into(), Value::text(*text))).collect();
        Record { id: RecordId(Uuid::from_u128(number)), version: None, modified: None, values, unreadable: None }
    }

    #[test]
    fn f01_the_record_of_an_earlier_attempt_is_told_from_others() {
        let catalogue = Catalogue::embedded().expect("the catalogue is valid");
        let customers = catalogue.business_central_table("Customer").expect("customers");
        let contoso = intent(&[("displayName", "Contoso"), ("phoneNumber", "1"), ("city", "Ulm")]);
        let whole = [("displayName", "Contoso"), ("phoneNumber", "1"), ("city", "Ulm")];
        let called_elsewhere = [("displayName", "Contoso"), ("phoneNumber", "2"), ("city", "Bonn")];
        let renamed = [("displayName", "Contoso AG"), ("phoneNumber", "1"), ("city", "Ulm")];
        let stranger = [("displayName", "Fabrikam"), ("phoneNumber", "9"), ("city", "Ulm")];
        for (records, expected) in [
            (vec![], Choice::Nothing),
            (vec![&stranger[..]], Choice::Nothing),
            (vec![&stranger[..], &whole[..]], Choice::One(1)),
            (vec![&renamed[..]], Choice::One(0)),
            (vec![&called_elsewhere[..]], Choice::One(0)),
            (vec![&called_elsewhere[..], &renamed[..]], Choice::One(1)),
            (vec![&whole[..], &whole[..]], Choice::One(0)),
            (vec![&called_elsewhere[..], &called_elsewhere[..]], Choice::Several(vec![0, 1])),
        ] {
            let records: Vec<Record> = records.iter().zip(1..).map(|(values, id)| record(id, values)).collect();
            assert_eq!(choose(SIDE, customers, &[&contoso], &records, By::Texts), [expected], "{records:?}");
        }
    }

    #[test]
    fn f01_two_attempts_with_the_same_values_take_different_records() {
        let catalogue = Catalogue::embedded().expect("the catalogue is valid");
        let customers = catalogue.business_central_table("Customer").expect("customers");
        let twin = intent(&[("displayName", "Contoso")]);
        let records = [record(1, &[("displayName", "Contoso")]), record(2, &[("displayName", "Contoso")])];
        let choices = choose(SIDE, customers, &[&twin, &twin, &twin], &records, By::Texts);
        assert_eq!(choices, [Choice::One(0), Choice::One(1), Choice::Nothing]);
    }

    #[test]
    fn f01_a_given_key_must_be_the_same() {
        let catalogue = Catalogue::embedded().expect("the catalogue is valid");
        let people = catalogue.business_central_table("Salesperson/Purchaser").expect("salespeople");
        let wanted = intent(&[("code", "SP NO. 00001"), ("displayName", "Ann")]);
        let other = record(1, &[("code", "SP NO. 00002"), ("displayName", "Ann")]);
        let same = record(2, &[("code", "SP NO. 00001"), ("displayName", "Ann")]);
        assert_eq!(choose(SIDE, people, &[&wanted], std::slice::from_ref(&other), By::Texts), [Choice::Nothing]);
        assert_eq!(choose(SIDE, people, &[&wanted], &[other, same], By::Texts), [Choice::One(1)]);
    }
}
