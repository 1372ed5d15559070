//! The files of a database are for their owner alone: couplings, failures and messages hold values of records.

use std::io;
use std::path::Path;

/// Takes from a database, and from what stands beside it while it is open, the rights of all but its owner.
///
/// # Errors
/// When the rights cannot be changed.
#[cfg(unix)]
pub(crate) fn keep_private(database: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for ending in ["", "-wal", "-shm", "-journal"] {
        let mut name = database.as_os_str().to_owned();
        name.push(ending);
        let file = Path::new(&name);
        if file.is_file() {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// Other systems keep rights elsewhere.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub(crate) fn keep_private(_database: &Path) -> io::Result<()> {
    Ok(())
}
