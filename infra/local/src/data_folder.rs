//! The folder in which the embedded cloud keeps its data, for one process at a time.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const DATABASE: &str = "couplet.db";
const LOCK: &str = "couplet.lock";

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// It cannot be created or opened.
    #[error("the data folder {} cannot be used: {problem}", path.display())]
    Unusable {
        /// Which folder.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// Another process works in it.
    #[error("another couplet works in the data folder {}: wait until it ends, or name another folder", path.display())]
    Taken {
        /// Which folder.
        path: PathBuf,
    },
}

/// A folder that only this process works in, until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// The lock; the system gives it back when the process ends, however it ends.
    _lock: File,
}

impl DataFolder {
    /// Takes the folder, created if it is not there.
    ///
    /// # Errors
    /// When another process has it, or it cannot be created.
    pub fn take(path: &Path) -> Result<Self, DataFolderError> {
        let unusable =
            |error: std::io::Error| DataFolderError::Unusable { path: path.to_owned(), problem: error.to_string() };
        create(path).map_err(unusable)?;
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(path.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataFolderError::Taken { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    /// The database file inside.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The database file of a folder that is only to be looked at; `None` when there is none yet.
    pub fn existing_database(path: &Path) -> Option<PathBuf> {
        let database = path.join(DATABASE);
        database.is_file().then_some(database)
    }
}

/// Creates the folder, if it is not there, for its owner alone: couplings, failures and messages hold values of records.
fn create(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn f29_the_data_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("couplet-folder-{}", uuid::Uuid::new_v4())).join("data");
        let folder = DataFolder::take(&path).expect("a new folder");
        let database = couplet_embedded_cloud::EmbeddedDynamoDb::open(&folder.database()).expect("a database");
        let store = couplet_store::Store::new(database.client(), "couplet", couplet_store::Retention::default());
        store.create_table_if_absent().await.expect("the table is created");
        let mode = |file: &Path| std::fs::metadata(file).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        let files: Vec<PathBuf> =
            std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        assert!(files.len() >= 2, "{files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        drop(database);
        std::fs::remove_dir_all(path.parent().expect("ours")).expect("the folder is ours");
    }

    #[test]
    fn a_folder_is_taken_by_one_at_a_time() {
        let path = std::env::temp_dir().join(format!("couplet-folder-{}", uuid::Uuid::new_v4()));
        let first = DataFolder::take(&path).expect("a new folder");
        assert!(matches!(DataFolder::take(&path), Err(DataFolderError::Taken { .. })));
        drop(first);
        drop(DataFolder::take(&path).expect("the folder is free again"));
        assert_eq!(DataFolder::existing_database(&path), None);
        std::fs::remove_dir_all(&path).expect("the folder is ours");
    }
}
