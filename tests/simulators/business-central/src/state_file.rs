//! The company in a file: saved when the simulator stops, loaded when it starts.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::cell::Cell;
use crate::records;
use crate::schema::{Property, Source, schema};
use crate::store::{Company, Row, Store};
use simulator_platform::Clock;

#[derive(Serialize, Deserialize)]
struct File {
    company_id: Uuid,
    company_name: String,
    local_currency: String,
    tables: BTreeMap<String, Vec<SavedRow>>,
}

#[derive(Serialize, Deserialize)]
struct SavedRow {
    id: Uuid,
    created: Timestamp,
    modified: Timestamp,
    /// What is not blank.
    values: Map<String, Value>,
}

/// Writes the company; the file is replaced only once it is whole.
pub(crate) fn save(store: &Store, path: &Path) -> anyhow::Result<()> {
    let tables = schema().ids().map(|table| {
        let definition = schema().table(table);
        let rows = store.rows(table).map(|row| {
            let stored = definition
                .properties
                .iter()
                .enumerate()
                .filter(|(at, property)| is_stored(property) && !row.cells[*at].is_blank());
            SavedRow {
                id: row.id,
                created: row.created,
                modified: row.modified,
                values: stored
                    .map(|(at, property)| (property.name.clone(), row.cells[at].to_json(&property.kind)))
                    .collect(),
            }
        });
        (definition.name.clone(), rows.collect())
    });
    let company = &store.company;
    let file = File {
        company_id: company.id,
        company_name: company.name.clone(),
        local_currency: company.local_currency.clone(),
        tables: tables.collect(),
    };
    let unfinished = path.with_extension("unfinished");
    let mut writer = BufWriter::new(
        fs::File::create(&unfinished).with_context(|| format!("cannot write {}", unfinished.display()))?,
    );
    serde_json::to_writer(&mut writer, &file)?;
    writer.flush()?;
    fs::rename(&unfinished, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a company.
pub(crate) fn load(path: &Path, clock: Arc<Clock>) -> anyhow::Result<Store> {
    let reader = BufReader::new(fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?);
    let file: File =
        serde_json::from_reader(reader).with_context(|| format!("{} is not a saved company", path.display()))?;
    let mut store = Store::new(Company::new(file.company_id, file.company_name, file.local_currency), clock);
    for (name, rows) in file.tables {
        let Some(table) = schema().named(&name) else { bail!("{}: there is no table {name}", path.display()) };
        let definition = schema().table(table);
        for saved in rows {
            let mut cells = records::blank_cells(table);
            for (property, value) in &saved.values {
                let Some(at) = definition.position(property) else {
                    bail!("{}: the table {name} has no property {property}", path.display())
                };
                cells[at] = Cell::from_json(value, &definition.properties[at])
                    .with_context(|| format!("{}: {name} {}", path.display(), saved.id))?;
            }
            let row = Row {
                id: saved.id,
                created: saved.created,
                modified: saved.modified,
                version: store.next_version(),
                cells,
            };
            if store.insert(table, row).is_err() {
                bail!("{}: two records of {name} share a key or the id {}", path.display(), saved.id);
            }
        }
    }
    Ok(store)
}

fn is_stored(property: &Property) -> bool {
    matches!(property.source, Source::Stored | Source::LocalCurrency)
}
