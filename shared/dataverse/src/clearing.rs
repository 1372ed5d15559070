//! Clearing a lookup. The service knows three forms of it, and there are reports of each being answered with success and
//! ignored. So what was cleared is read back, in bulk; where the value is still there the next form is tried, and the
//! form that worked is remembered for the column.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use couplet_model::ids::RecordId;
use couplet_model::record::{Record, Values};
use couplet_model::system::{SystemError, Write, WriteAction};
use couplet_model::table::{FieldType, Table};
use couplet_odata::writing::Outcome;
use couplet_odata::{Operation, Repeat};
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::clearing_form::Form;
use crate::client::DataverseClient;

/// Lookups that a write clears.
#[derive(Debug)]
struct Cleared {
    /// Its place among the writes.
    place: usize,
    id: RecordId,
    columns: Vec<String>,
}

fn cleared(table: &Table, writes: &[Write], outcomes: &[Outcome]) -> Vec<Cleared> {
    let is_lookup =
        |name: &str| table.column(name).is_some_and(|column| matches!(column.field, FieldType::Lookup { .. }));
    let of_write = |(place, (write, outcome)): (usize, (&Write, &Outcome))| {
        let written = outcome.as_ref().ok()?;
        if matches!(write.action, WriteAction::Delete { .. }) {
            return None;
        }
        let blank = write.values.iter().filter(|(name, value)| value.is_null() && is_lookup(name));
        let columns: Vec<String> = blank.map(|(name, _)| name.to_string()).collect();
        (!columns.is_empty()).then_some(Cleared { place, id: written.id, columns })
    };
    writes.iter().zip(outcomes).enumerate().filter_map(of_write).collect()
}

impl DataverseClient {
    /// Reads back the lookups that these writes have cleared, and clears those that kept their value in the other forms.
    /// What keeps it for all that is told with the outcome; what cannot be read back counts as not written.
    pub(crate) async fn confirm_clearings(&self, table: &Table, set: &str, writes: &[Write], outcomes: &mut [Outcome]) {
        let cleared = cleared(table, writes, outcomes);
        if cleared.is_empty() {
            return;
        }
        if let Err(error) = self.confirm(table, set, &cleared, outcomes).await {
            for item in &cleared {
                outcomes[item.place] = Err(error.clone());
            }
        }
    }

    async fn confirm(
        &self,
        table: &Table,
        set: &str,
        cleared: &[Cleared],
        outcomes: &mut [Outcome],
    ) -> Result<(), SystemError> {
        let columns: BTreeSet<String> = cleared.iter().flat_map(|item| item.columns.iter().cloned()).collect();
        // A column whose form is a request of its own was left out of the write.
        let apart: Vec<(&Cleared, &String)> = pairs(cleared)
            .filter(|(_, column)| self.learned().clearing(&table.name, column) == Form::Reference)
            .collect();
        self.clear_again(table, set, &apart, |_| Form::Reference).await?;
        let mut records = self.read_back(table, cleared, &columns).await?;
        let mut open = kept(cleared, &records);
        let first: BTreeMap<String, Form> =
            columns.iter().map(|column| (column.clone(), self.learned().clearing(&table.name, column))).collect();
        for round in 0..Form::ALL.len() - 1 {
            if open.is_empty() {
                break;
            }
            let form = |column: &str| {
                let first = first.get(column).copied().unwrap_or_default();
                first.others().nth(round).unwrap_or_default()
            };
            self.clear_again(table, set, &open, form).await?;
            records = self.read_back(table, cleared, &columns).await?;
            let still = kept(cleared, &records);
            for (item, column) in &open {
                if !still.iter().any(|(other, kept)| other.place == item.place && kept == column) {
                    self.learn().learn_clearing(&table.name, column, form(column));
                }
            }
            open = still;
        }
        for item in cleared {
            let (Some(record), Ok(written)) = (records.get(&item.id), &mut outcomes[item.place]) else { continue };
            written.version = record.version.clone();
            let shown =
                item.columns.iter().filter_map(|name| Some((Arc::from(name.as_str()), record.known(name)?.clone())));
            written.values.get_or_insert_with(Values::new).extend(shown);
        }
        Ok(())
    }

    async fn read_back(
        &self,
        table: &Table,
        cleared: &[Cleared],
        columns: &BTreeSet<String>,
    ) -> Result<BTreeMap<RecordId, Record>, SystemError> {
        let ids: Vec<RecordId> = cleared.iter().map(|item| item.id).collect();
        let columns: Vec<String> = columns.iter().cloned().collect();
        let records = self.read_by_id(table, &ids, &columns).await?;
        Ok(records.into_iter().map(|record| (record.id, record)).collect())
    }

    /// Clears lookups in another form, as one batch. Whether that helped is seen by reading back, not by the answer: a
    /// form that the service refuses is one that does not work.
    async fn clear_again(
        &self,
        table: &Table,
        set: &str,
        open: &[(&Cleared, &String)],
        form: impl Fn(&str) -> Form,
    ) -> Result<(), SystemError> {
        let operations: Vec<Operation> = open
            .iter()
            .map(|(item, column)| {
                let property = self.property(table, column);
                let row = format!("{}/{set}({})", self.path, item.id);
                let patch = |body: Json| Operation::new(Method::PATCH, row.clone()).header("If-Match", "*").json(body);
                match form(column) {
                    Form::Bind => patch(json!({ format!("{property}@odata.bind"): null })),
                    Form::Navigation => patch(json!({ property: null })),
                    Form::Reference => Operation::new(Method::DELETE, format!("{row}/{property}/$ref")),
                }
            })
            .collect();
        if !operations.is_empty() {
            self.batch(&operations, Repeat::Idempotent).await?;
        }
        Ok(())
    }

    fn property(&self, table: &Table, column: &str) -> String {
        let targets = match table.column(column).map(|column| &column.field) {
            Some(FieldType::Lookup { targets }) => targets.as_slice(),
            _ => &[],
        };
        let target = targets.first().map_or("", String::as_str);
        self.learned().navigation(&table.name, column, target, targets.len() > 1)
    }
}

fn pairs(cleared: &[Cleared]) -> impl Iterator<Item = (&Cleared, &String)> {
    cleared.iter().flat_map(|item| item.columns.iter().map(move |column| (item, column)))
}

/// The lookups that still have a value.
fn kept<'a>(cleared: &'a [Cleared], records: &BTreeMap<RecordId, Record>) -> Vec<(&'a Cleared, &'a String)> {
    pairs(cleared)
        .filter(|(item, column)| {
            let shown = records.get(&item.id).and_then(|record| record.known(column));
            shown.is_some_and(|value| !value.is_null())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{table, values};
    use crate::prepared::written;
    use couplet_model::value::Value;
    use uuid::Uuid;

    #[test]
    fn f08_only_lookups_that_a_successful_write_clears_are_read_back() {
        let id = RecordId(Uuid::from_u128(1));
        let blank = values(&[("uomid", Value::Null), ("note", Value::Null), ("name", Value::text("A"))]);
        let set = values(&[("uomid", Value::Guid(Uuid::from_u128(2)))]);
        let writes =
            [Write::update(id, None, blank.clone()), Write::update(id, None, set), Write::update(id, None, blank)];
        let outcomes =
            [Ok(written(id, None)), Ok(written(id, None)), Err(couplet_odata::writing::unanswered(table().side))];
        let found = cleared(&table(), &writes, &outcomes);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].place, found[0].columns.as_slice()), (0, ["uomid".to_owned()].as_slice()));
    }
}
