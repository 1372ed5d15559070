//! System tables that answer from the schema: which messages exist for which table.

use uuid::Uuid;

use super::Context;
use crate::schema::{NAMESPACE, Table};
use crate::store::{Cell, Row, Store};

/// Messages that tables have.
pub(crate) const MESSAGES: [&str; 8] =
    ["Create", "Update", "Delete", "CreateMultiple", "UpdateMultiple", "UpsertMultiple", "Associate", "Disassociate"];

/// Fills the message tables of a new store.
pub(crate) fn fill(store: &mut Store) {
    let Some(messages) = store.schema.position("sdkmessage") else { return };
    let schema = std::sync::Arc::clone(&store.schema);
    for message in MESSAGES {
        let id = message_id(message);
        let row = named_row(schema.table(messages), id, &[("name", Cell::text(message))]);
        let row = stamped(store, schema.table(messages), row);
        store.put(messages, row);
    }
    complete(store);
}

/// Adds what new tables need, and takes away what belonged to deleted ones.
pub(crate) fn complete(store: &mut Store) {
    let (Some(messages), Some(filters)) =
        (store.schema.position("sdkmessage"), store.schema.position("sdkmessagefilter"))
    else {
        return;
    };
    let schema = std::sync::Arc::clone(&store.schema);
    for table in schema.living() {
        for message in MESSAGES {
            let missing = store.get(filters, filter_id(message, &table.name)).is_none();
            if missing && (table.bulk || !message.ends_with("Multiple")) {
                let row = filter_row(&schema, filters, messages, table, message);
                let row = stamped(store, schema.table(filters), row);
                store.put(filters, row);
            }
        }
    }
    let Some(column) = schema.table(filters).column("primaryobjecttypecode") else { return };
    let orphans: Vec<Uuid> = store
        .rows(filters)
        .after(None)
        .filter(|row| matches!(row.get(column), Some(Cell::Text(name)) if schema.position(name).is_none()))
        .map(|row| row.id)
        .collect();
    for id in orphans {
        store.remove(filters, id);
    }
}

/// The filter row of one message and table.
pub(crate) fn filter_row(
    schema: &crate::schema::Schema,
    filters: usize,
    messages: usize,
    table: &Table,
    message: &str,
) -> Row {
    named_row(
        schema.table(filters),
        filter_id(message, &table.name),
        &[
            ("primaryobjecttypecode", Cell::text(&table.name)),
            ("sdkmessageid", Cell::Lookup { table: messages, id: message_id(message) }),
        ],
    )
}

/// The platform's own rows are as old as the organization, and of whoever made it.
fn stamped(store: &Store, table: &Table, mut row: Row) -> Row {
    let organization = store.schema.position("organization").and_then(|at| {
        let definition = store.schema.table(at);
        store.rows(at).after(None).next().map(|row| (std::sync::Arc::clone(definition), std::sync::Arc::clone(row)))
    });
    if let Some((definition, organization)) = organization {
        for name in ["createdon", "modifiedon", "createdby", "modifiedby"] {
            let value = crate::rules::get(&definition, &organization, name);
            crate::rules::set(table, &mut row, name, value);
        }
    }
    row
}

fn filter_id(message: &str, table: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("filter {message} {table}").as_bytes())
}

fn message_id(message: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("message {message}").as_bytes())
}

fn named_row(table: &Table, id: Uuid, values: &[(&str, Cell)]) -> Row {
    let mut row = Row::new(id);
    row.set(table.id, Some(Cell::Guid(id)));
    for (name, value) in values {
        crate::rules::set(table, &mut row, name, Some(value.clone()));
    }
    row
}

/// Tables whose bulk messages a switch took away are not listed as having them.
pub(crate) fn within(context: &Context<'_>, store: &Store, table: usize) -> Option<Vec<Uuid>> {
    let filters = store.schema.table(table);
    if filters.name != "sdkmessagefilter" {
        return None;
    }
    let column = filters.column("primaryobjecttypecode")?;
    let kept = |row: &Row| match row.get(column) {
        Some(Cell::Text(name)) => {
            let bulk = MESSAGES
                .iter()
                .filter(|message| message.ends_with("Multiple"))
                .any(|message| row.id == filter_id(message, name));
            !(bulk && context.world.faults.lacks_bulk(name))
        }
        _ => true,
    };
    Some(store.rows(table).after(None).filter(|row| kept(row)).map(|row| row.id).collect())
}
