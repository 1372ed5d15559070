//! What a person in the application does, and what the simulator's own interface offers.

use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::documents;
use crate::errors::ApiError;
use crate::records::{self, Incoming, Writer};
use crate::schema::{Route, TableId, schema};
use crate::server::Server;
use crate::store::{Row, Store};

impl Server {
    pub(crate) fn create_as_user(&self, table: &str, values: Value) -> Result<Uuid, ApiError> {
        let (table, body) = (named(table)?, object(values)?);
        self.write(|store| {
            let incoming = Incoming::for_create(schema().table(table), Writer::User, &body)?;
            records::create(store, table, &incoming, Writer::User)
        })
    }

    pub(crate) fn update_as_user(&self, table: &str, id: Uuid, values: Value) -> Result<(), ApiError> {
        let (table, body) = (named(table)?, object(values)?);
        self.write(|store| {
            let incoming = Incoming::for_modify(schema().table(table), Writer::User, &body, id)?;
            records::modify(store, table, id, &incoming, Writer::User)
        })
    }

    pub(crate) fn delete_as_user(&self, table: &str, id: Uuid) -> Result<(), ApiError> {
        let table = named(table)?;
        self.write(|store| records::delete(store, table, id, Writer::User))
    }

    pub(crate) fn post_item_ledger_entry(&self, item_number: &str, quantity: Decimal) -> Result<Uuid, ApiError> {
        let entry_type = if quantity.is_sign_negative() { "Sale" } else { "Purchase" };
        self.write(|store| records::post_ledger_entry(store, item_number, quantity, entry_type))
    }

    pub(crate) fn run_action_as_user(&self, table: &str, id: Uuid, action: &str) -> Result<Option<Uuid>, ApiError> {
        let table = named(table)?;
        self.write(|store| {
            store
                .transaction(|store| documents::act_as_user(store, table, id, action))
                .map(|made| made.map(|(_, id)| id))
        })
    }

    pub(crate) fn invoice_shipments(&self, order: Uuid, part: Decimal) -> Result<Uuid, ApiError> {
        self.write(|store| store.transaction(|store| documents::invoice_shipments(store, order, part)))
    }

    pub(crate) fn pay_invoice(&self, id: Uuid, amount: Decimal) -> Result<(), ApiError> {
        self.write(|store| store.transaction(|store| documents::pay(store, id, amount)))
    }

    pub(crate) fn rows(&self, table: &str) -> Result<Vec<Map<String, Value>>, ApiError> {
        let mut rows = Vec::new();
        self.visit_rows(table, &mut |row| rows.push(row))?;
        Ok(rows)
    }

    pub(crate) fn visit_rows(&self, table: &str, visit: &mut dyn FnMut(Map<String, Value>)) -> Result<(), ApiError> {
        let table = named(table)?;
        let store = self.api.reading();
        store.rows(table).for_each(|row| visit(all_properties(&store, table, row)));
        Ok(())
    }

    pub(crate) fn row(&self, table: &str, id: Uuid) -> Result<Option<Map<String, Value>>, ApiError> {
        let table = named(table)?;
        let store = self.api.reading();
        Ok(store.row(table, id).map(|row| all_properties(&store, table, row)))
    }

    pub(crate) fn companion_id(&self, table: &str, id: Uuid) -> Result<Option<Uuid>, ApiError> {
        let table = named(table)?;
        let store = self.api.reading();
        Ok(store.row(table, id).map(|row| documents::shown_id(table, Route::Companion, row)))
    }

    fn write<T>(&self, work: impl FnOnce(&mut Store) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let mut store = self.api.writing();
        let result = work(&mut store);
        let changes = store.take_changes();
        drop(store);
        self.webhooks.note(&changes, self.api.faults.webhook_delay());
        result
    }
}

fn named(table: &str) -> Result<TableId, ApiError> {
    schema().named(table).ok_or_else(|| ApiError::bad_request(format!("The catalogue has no table '{table}'.")))
}

fn object(values: Value) -> Result<Map<String, Value>, ApiError> {
    match values {
        Value::Object(map) => Ok(map),
        other => Err(ApiError::bad_request(format!("An object of property values was expected, not {other}."))),
    }
}

fn all_properties(store: &Store, table: TableId, row: &Row) -> Map<String, Value> {
    let properties = schema().table(table).properties.iter().enumerate();
    properties
        .map(|(at, property)| (property.name.clone(), store.cell(table, row, at).to_json(&property.kind)))
        .collect()
}
