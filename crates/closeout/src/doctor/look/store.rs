//! The store: whether it could be opened, without opening it as a store. No lock is taken and nothing is made.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use store_postgres::Address;

use super::super::findings::{Store, StoreObstacle};

/// What every SQLite database begins with (its file format, §1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The files that lie beside a store while it is in use.
const BESIDE: [&str; 3] = ["-wal", "-shm", ".lock"];

/// Looks at the database.
pub(super) async fn look_at_database(address: &Address) -> Store {
    let looked = store_postgres::look(address).await.map_err(|error| error.to_string());
    Store::Database { address: address.to_string(), trusts_anybody: address.trusts_anybody(), looked }
}

/// Looks at the file.
pub(super) fn look(path: PathBuf) -> Store {
    let obstacle = obstacle(&path).err();
    let bytes = path.metadata().ok().map(|file| file.len());
    Store::File { path, obstacle, bytes }
}

fn obstacle(path: &Path) -> Result<(), StoreObstacle> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    };
    if !folder.is_dir() {
        return Err(StoreObstacle::NoFolder(folder));
    }
    if access(&folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Err(StoreObstacle::FolderNotWritable(folder));
    }
    let files = [path.to_path_buf()].into_iter().chain(BESIDE.map(|ending| beside(path, ending)));
    for file in files.filter(|file| file.exists()) {
        if access(&file, Access::READ_OK | Access::WRITE_OK).is_err() {
            return Err(StoreObstacle::NotWritable(file));
        }
    }
    if !path.exists() {
        return Ok(());
    }
    if !path.is_file() {
        return Err(StoreObstacle::NotAFile);
    }
    if is_sqlite(path).map_err(StoreObstacle::Unreadable)? { Ok(()) } else { Err(StoreObstacle::Foreign) }
}

/// Whether a file is a database, or empty, as one that is about to be made.
fn is_sqlite(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::with_capacity(MAGIC.len());
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut begin)?;
    Ok(begin.is_empty() || begin == MAGIC)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_store_is_found_without_touching_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("closeout.db");
        assert!(matches!(look(path.clone()), Store::File { obstacle: None, bytes: None, .. }));
        std::fs::write(&path, "this is a text, and no database").unwrap();
        assert!(matches!(look(path.clone()), Store::File { obstacle: Some(StoreObstacle::Foreign), .. }));
        std::fs::write(&path, b"SQLite format 3\0and so on").unwrap();
        assert!(matches!(look(path.clone()), Store::File { obstacle: None, bytes: Some(25), .. }));
        let missing = folder.path().join("nowhere/closeout.db");
        assert!(matches!(look(missing), Store::File { obstacle: Some(StoreObstacle::NoFolder(_)), .. }));
        assert!(matches!(
            look(folder.path().to_path_buf()),
            Store::File { obstacle: Some(StoreObstacle::NotAFile), .. }
        ));
        let there: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(there, [path]);
    }
}
