//! That no engine starts with rules that read what the catalogue does not have.

use std::fs;
use std::path::Path;

use couplet_model::{Catalogue, Switches};
use serde_json::Value as Json;

use crate::bench::Bench;
use crate::error::EngineError;

/// Copies the catalogue of the project, without one column of a table.
fn copy_without(folder: &Path, file: &str, list: &str, table: &str, column: &str) {
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/catalogue");
    for part in ["", "tables", "mappings"] {
        fs::create_dir_all(folder.join(part)).expect("a folder");
        for entry in fs::read_dir(catalogue.join(part)).expect("the catalogue") {
            let path = entry.expect("a file").path();
            if path.is_file() {
                fs::copy(&path, folder.join(part).join(path.file_name().expect("a name"))).expect("a copy");
            }
        }
    }
    let path = folder.join("tables").join(file);
    let mut json: Json = serde_json::from_str(&fs::read_to_string(&path).expect("a file")).expect("JSON");
    let tables = json["tables"].as_array_mut().expect("tables");
    let table = tables.iter_mut().find(|own| own["name"] == table).expect("the table");
    let columns = table[list].as_array_mut().expect("columns");
    let before = columns.len();
    columns.retain(|own| own["name"] != column);
    assert_eq!(columns.len(), before - 1, "the column was there");
    fs::write(&path, json.to_string()).expect("a file");
}

#[tokio::test]
async fn no_engine_starts_with_rules_that_read_a_column_which_the_catalogue_lacks() {
    for (file, list, table, column, mapping) in [
        ("business-central.json", "properties", "Resource", "vendorName", "RESOURCE-PRODUCT"),
        ("business-central.json", "properties", "Item", "vendorName", "ITEM-PRODUCT"),
        ("dataverse.json", "columns", "account", "masterid", "CUSTOMER"),
        ("dataverse.json", "columns", "transactioncurrency", "exchangerate", "CURRENCY"),
        ("dataverse.json", "columns", "uomschedule", "statecode", "UNIT OF MEASURE"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        copy_without(folder.path(), file, list, table, column);
        let catalogue = Catalogue::from_directory(folder.path()).expect("a catalogue without the column");
        let switches = Switches { unit_groups: false, ..Switches::default() };
        match Bench::on(catalogue, mapping, switches).await {
            Err(EngineError::SetUp(message)) => {
                for part in [mapping, column, table] {
                    assert!(message.contains(part), "{message} does not name {part}");
                }
            }
            Err(other) => panic!("{table}.{column}: {other}"),
            Ok(_) => panic!("{table}.{column}: it started"),
        }
    }
}
