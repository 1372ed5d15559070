//! Catalogues that differ from the embedded one, as an installation may bring them along.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use couplet_model::Catalogue;
use couplet_model::catalogue::CatalogueError;
use serde_json::Value as Json;

/// A mapping's file, and what is changed in it.
pub type Change<'c> = (&'c str, &'c dyn Fn(&mut Json));

/// The embedded catalogue with some of its mappings changed, each named by its file.
///
/// # Errors
/// When it is no valid catalogue any more.
///
/// # Panics
/// When the files cannot be copied.
pub fn catalogue_with(changes: &[Change<'_>]) -> Result<Arc<Catalogue>, CatalogueError> {
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/model/catalogue");
    let folder = tempfile::tempdir().expect("a folder");
    for below in ["", "tables", "mappings"] {
        fs::create_dir_all(folder.path().join(below)).expect("a folder");
        for entry in fs::read_dir(embedded.join(below)).expect("the catalogue") {
            let file = entry.expect("an entry").path();
            let name = file.file_name().expect("a name");
            if file.is_file() {
                fs::copy(&file, folder.path().join(below).join(name)).expect("a copy");
            }
        }
    }
    for (mapping, change) in changes {
        let file = folder.path().join(format!("mappings/{mapping}.json"));
        let mut content: Json = serde_json::from_slice(&fs::read(&file).expect("a mapping")).expect("JSON");
        change(&mut content);
        fs::write(&file, content.to_string()).expect("it is written");
    }
    Catalogue::from_directory(folder.path()).map(Arc::new)
}
