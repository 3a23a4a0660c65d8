//! The PostgreSQL server that the service keeps its state in: a schema for each measurement, and what its processes use.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::process::cpu_seconds;

/// Where the service keeps its state, when that is not a file of SQLite.
#[derive(Debug, Clone)]
pub struct Database {
    /// The address, as `store.url` has it, without a schema.
    pub url: String,
    /// The first process of the server, when it runs on this machine.
    pub process: Option<u32>,
}

impl Database {
    /// The address with a new schema.
    pub fn schema(&self) -> String {
        let and = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{and}schema=bench_{}", self.url, uuid::Uuid::new_v4().simple())
    }

    /// CPU seconds of all the server's processes so far, those that have ended included.
    pub fn cpu_seconds(&self) -> anyhow::Result<Option<f64>> {
        let Some(process) = self.process else { return Ok(None) };
        let stat = stat_of(&PathBuf::from(format!("/proc/{process}"))).context("the database has ended")?;
        let mut seconds = cpu_seconds(&stat, true).context("cannot read /proc/PID/stat")?;
        let running = std::fs::read_dir("/proc").context("cannot list /proc")?;
        for one in running.flatten() {
            // Not a process, or one that has ended meanwhile.
            let Some(stat) = stat_of(&one.path()) else { continue };
            if parent(&stat) == Some(process) {
                seconds += cpu_seconds(&stat, false).context("cannot read /proc/PID/stat")?;
            }
        }
        Ok(Some(seconds))
    }
}

fn stat_of(folder: &Path) -> Option<String> {
    std::fs::read_to_string(folder.join("stat")).ok()
}

/// Field 4 of `/proc/PID/stat` (`man 5 proc`).
fn parent(stat: &str) -> Option<u32> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_measurement_has_a_schema_of_its_own() {
        let database = |url: &str| Database { url: url.to_owned(), process: None };
        let (one, other) = (database("postgres://a@b/c").schema(), database("postgres://a@b/c").schema());
        assert!(one.starts_with("postgres://a@b/c?schema=bench_"), "{one}");
        assert_ne!(one, other);
        let beside = database("postgres://a@b/c?sslmode=require").schema();
        assert!(beside.starts_with("postgres://a@b/c?sslmode=require&schema=bench_"), "{beside}");
    }

    #[test]
    fn the_parent_is_found_behind_a_name_with_spaces() {
        assert_eq!(parent("42 (a (b) c) S 17 42 42 0 -1"), Some(17));
    }

    #[test]
    fn the_time_of_children_counts() {
        let database = Database { url: "postgres://a@b/c".to_owned(), process: Some(std::process::id()) };
        assert!(database.cpu_seconds().unwrap().is_some());
        let nowhere = Database { process: None, ..database };
        assert!(nowhere.cpu_seconds().unwrap().is_none());
    }
}
