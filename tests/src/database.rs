//! A store in SQLite as text, so that one can be kept, looked through and made again.

use std::{fmt::Write as _, path::Path};

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

/// Everything in a database that nobody has open, as statements that make it again.
pub fn dump(file: &Path) -> String {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let mut text = String::new();
    for pragma in ["application_id", "user_version"] {
        let value: i64 = connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
        writeln!(text, "PRAGMA {pragma} = {value};").unwrap();
    }
    // Tables first, and what stands on them after their rows, as triggers would write again what is there.
    let objects =
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'
        ORDER BY type <> 'table', rowid";
    let mut statement = connection.prepare(objects).unwrap();
    let objects: Vec<[String; 3]> = statement
        .query_map((), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for [kind, name, sql] in objects {
        writeln!(text, "{sql};").unwrap();
        if kind == "table" {
            rows(&connection, &name, &mut text);
        }
    }
    text
}

fn rows(connection: &Connection, table: &str, text: &mut String) {
    let columns: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info(?1)")
        .unwrap()
        .query_map([table], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
    let mut statement = connection
        .prepare(&format!("SELECT {} FROM {table} ORDER BY 1", quoted.join(" || ', ' || ")))
        .unwrap();
    for row in statement.query_map((), |row| row.get::<_, String>(0)).unwrap() {
        writeln!(text, "INSERT INTO {table} ({}) VALUES ({});", columns.join(", "), row.unwrap()).unwrap();
    }
}

/// Makes a database of what [`dump`] wrote.
pub fn restore(file: &Path, text: &str) {
    let connection = Connection::open(file).unwrap();
    connection.execute_batch(&format!("BEGIN;\n{text}COMMIT;")).unwrap();
}

/// Key, conversation, state and version of every closure, in the order of the keys.
pub fn closures(file: &Path) -> Vec<(Uuid, Uuid, String, u64)> {
    let connection = Connection::open(file).unwrap();
    let mut statement =
        connection.prepare("SELECT key, conversation, state, version FROM closures ORDER BY key").unwrap();
    let id = |bytes: Vec<u8>| Uuid::from_slice(&bytes).unwrap();
    statement
        .query_map((), |row| {
            Ok((id(row.get(0)?), id(row.get(1)?), row.get(2)?, row.get::<_, i64>(3)?.unsigned_abs()))
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// Spoils what is stored of the closure of a conversation, as a disk or a hand may: its body is bytes that mean nothing.
pub fn spoil(file: &Path, conversation: Uuid) {
    let connection = Connection::open(file).unwrap();
    let spoilt = "UPDATE closures SET body = x'ff00ff00' WHERE conversation = ?1";
    assert_eq!(connection.execute(spoilt, [&conversation.as_bytes()[..]]).unwrap(), 1);
}
