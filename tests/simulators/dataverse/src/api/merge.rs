//! The action `Merge`: one row becomes the master of another of its table, which ends as an inactive row.

use serde_json::Value;
use uuid::Uuid;

use super::Context;
use super::body::{self, Surroundings};
use crate::rules;
use crate::schema::Kind;
use crate::store::{Cell, guid};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::ApiResponse;
use crate::write::{Changes, Session};

/// Tables whose rows can be merged.
const MERGED: [&str; 2] = ["account", "contact"];
/// State and status of a row that was merged into another.
const INACTIVE: (i64, i64) = (1, 2);

/// Merges `Subordinate` into `Target`.
pub(super) fn merge(context: &Context<'_>, parameters: &Value, session: &mut Session<'_>) -> ApiResult<ApiResponse> {
    let (at, target) = row_of(parameters, session, "Target")?;
    let (other, subordinate) = row_of(parameters, session, "Subordinate")?;
    if at != other || target == subordinate {
        return Err(ApiError::refused("0x80040203", "Target and Subordinate must be two rows of one table."));
    }
    let table = session.table(at);
    for id in [target, subordinate] {
        let row = session.store.get(at, id).ok_or_else(|| ApiError::missing_row(&table.name, id))?;
        if rules::state(&table, row) == INACTIVE.0 {
            return Err(ApiError::refused("0x80040274", "Merge is not allowed: one of the records is inactive."));
        }
    }
    let content = match parameters.get("UpdateContent").filter(|content| content.is_object()) {
        Some(content) => {
            let around = Surroundings { store: session.store, api: &context.api(), references: context.references };
            body::read(&around, at, content)?.changes
        }
        None => Changes::new(),
    };
    session.update(at, target, content)?;
    repoint(session, at, subordinate, target)?;
    let cells = [
        ("merged", Cell::Bool(true)),
        ("masterid", Cell::Lookup { table: at, id: target }),
        ("statecode", Cell::Int(INACTIVE.0)),
        ("statuscode", Cell::Int(INACTIVE.1)),
    ];
    let changes = cells.into_iter().filter_map(|(name, cell)| Some((table.column(name)?, Some(cell)))).collect();
    session.consequence(|session| session.update(at, subordinate, changes))?;
    Ok(ApiResponse::no_content())
}

/// Rows that pointed to the subordinate point to its master.
fn repoint(session: &mut Session<'_>, at: usize, from: Uuid, to: Uuid) -> ApiResult<()> {
    let merged = session.table(at);
    let names: Vec<String> = session.store.schema.living().map(|table| table.name.clone()).collect();
    for name in names {
        let other = session.position(&name)?;
        let table = session.table(other);
        for (column, definition) in table.columns.iter().enumerate() {
            let points_here = matches!(&definition.kind, Kind::Lookup(targets) if targets.contains(&merged.name));
            if !points_here || definition.name == "masterid" {
                continue;
            }
            for id in session.store.rows(other).find(column, &Cell::Lookup { table: at, id: from }) {
                let changes = vec![(column, Some(Cell::Lookup { table: at, id: to }))];
                session.consequence(|session| session.update(other, id, changes))?;
            }
        }
    }
    Ok(())
}

/// The row that a parameter of a table's type names.
fn row_of(parameters: &Value, session: &Session<'_>, name: &str) -> ApiResult<(usize, Uuid)> {
    let missing =
        || ApiError::new(400, "0x80040203", format!("The parameter '{name}' is missing or has the wrong type."));
    let value = parameters.get(name).ok_or_else(missing)?;
    let kind = value.get("@odata.type").and_then(Value::as_str).ok_or_else(missing)?;
    let kind = kind.trim_start_matches('#').trim_start_matches("Microsoft.Dynamics.CRM.");
    if !MERGED.contains(&kind) {
        return Err(ApiError::not_supported(&format!("Merge of {kind}")));
    }
    let at = session.position(kind)?;
    let table = session.table(at);
    let id = value.get(table.columns[table.id].name.as_str()).and_then(Value::as_str).and_then(guid);
    id.map(|id| (at, id)).ok_or_else(missing)
}
