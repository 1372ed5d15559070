//! Records as people name them: by their id, by their number or code, or by their name.

use couplet_model::table::{FieldType, Side, Table};
use couplet_model::{Condition, Coupling, Filter, MappingName, RecordId, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::Engine;
use crate::error::EngineError;

/// Columns that hold what people call a record, beside the one that the table names, in the order in which they are asked.
const NAMES: [&str; 4] = ["displayName", "fullname", "name", "code"];

/// A record that somebody named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The record.
    pub id: RecordId,
    /// What it is called.
    pub label: String,
}

impl Engine {
    /// The records of one side of a mapping that a text names: the one with this id, or all with this number, code or name. A
    /// number is stronger than a name: where one record has the text as its number, those that are called so are not meant.
    /// Neither system is asked for an id, or for the number of a coupled record of Business Central.
    ///
    /// # Errors
    /// When there is no such mapping here, or the store or the system cannot be read.
    pub async fn named(&self, mapping: &MappingName, side: Side, text: &str) -> Result<Vec<Named>, EngineError> {
        let engine = self.current().await?;
        let installed = engine
            .mapping(mapping)
            .map_err(|missing| EngineError::CannotRun { mapping: mapping.to_string(), missing: missing.to_owned() })?;
        let (table, system) = (installed.table(side), self.system(side));
        let columns = label_columns(table);
        let wanted: Vec<String> = table.label_column.iter().cloned().collect();
        let shown = |record: &couplet_model::Record| Named { id: record.id, label: record.label(table) };
        if let Some(named) = self.named_in_store(mapping, side, text).await? {
            return Ok(vec![named]);
        }
        for column in columns {
            let filter = Filter::all(vec![Condition::one_of(column, vec![Value::text(text)])]);
            let found = system.find(table, &filter, &wanted).await?;
            if !found.is_empty() {
                return Ok(found.iter().map(shown).collect());
            }
        }
        Ok(Vec::new())
    }

    /// The record that a text names, as far as that can be told without asking a system: one with this id, or the coupled record
    /// of Business Central with this number or code.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn named_in_store(
        &self,
        mapping: &MappingName,
        side: Side,
        text: &str,
    ) -> Result<Option<Named>, EngineError> {
        if let Ok(id) = text.parse::<Uuid>() {
            return Ok(Some(Named { id: RecordId(id), label: text.to_owned() }));
        }
        if side == Side::Dataverse {
            return Ok(None);
        }
        let key = text.to_owned();
        let coupled = self.store().couplings_by_key(self.company(), mapping, std::slice::from_ref(&key)).await?;
        let named =
            |coupling: &Coupling| Named { id: coupling.id(side), label: coupling.key.clone().unwrap_or(key.clone()) };
        Ok(coupled.get(&key).map(named))
    }
}

/// The columns of a table by which people name its records, the strongest first.
pub(super) fn label_columns(table: &Table) -> Vec<&str> {
    let is_text = |name: &str| {
        let column = table.column(name);
        column.is_some_and(|column| matches!(column.field, FieldType::Text { .. } | FieldType::Code { .. }))
    };
    let mut columns: Vec<&str> = table.label_column.as_deref().into_iter().collect();
    columns.extend(NAMES.iter().copied().filter(|name| table.label_column.as_deref() != Some(name)));
    columns.retain(|name| is_text(name));
    columns
}
