//! What the finder holds, read from the file itself.

use super::*;

/// Looks into the file: every row is found by each of its names, once, and nothing else stands in the finder.
pub(super) fn finder_is_exact(path: &std::path::Path) {
    let file = rusqlite::Connection::open(path).unwrap();
    let mut expected: Vec<(i64, Value)> = Vec::new();
    let mut rows = file.prepare("SELECT key, conversation, participant FROM closures").unwrap();
    let mut rows = rows.query(()).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let key: Vec<u8> = row.get(0).unwrap();
        for (kind, column) in [(1, 1), (2, 2)] {
            if let Some(id) = row.get::<_, Option<Vec<u8>>>(column).unwrap()
                && id.len() == 16
            {
                expected.push((fingerprint(kind, &[&id]), Value::Blob(key.clone())));
            }
        }
    }
    for (kind, sql) in [
        (3, "SELECT arrival, adapter, event FROM inbox"),
        (4, "SELECT number, scope, key FROM idempotency_keys"),
    ] {
        let mut rows = file.prepare(sql).unwrap();
        let mut rows = rows.query(()).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (first, second): (String, String) = (row.get(1).unwrap(), row.get(2).unwrap());
            let number = Value::Integer(row.get(0).unwrap());
            expected.push((fingerprint(kind, &[first.as_bytes(), second.as_bytes()]), number));
        }
    }
    let mut found = file.prepare("SELECT fingerprint, place FROM finder").unwrap();
    let found = found.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut found: Vec<(i64, Value)> = found.collect::<Result<_, _>>().unwrap();
    let place = |entry: &(i64, Value)| (entry.0, format!("{:?}", entry.1));
    expected.sort_by_key(place);
    found.sort_by_key(place);
    let without = |these: &[(i64, Value)], those: &[(i64, Value)]| {
        let those: BTreeSet<_> = those.iter().map(place).collect();
        these.iter().filter(|entry| !those.contains(&place(entry))).count()
    };
    assert_eq!(
        (found.len(), without(&found, &expected), without(&expected, &found)),
        (expected.len(), 0, 0),
        "entries, those that lead to nothing, and those that are missing"
    );
    nothing_that_is_there_is_denied(&file);
}

/// Each numbered name of the two large levels has its three bits in the row of its range, which is the upper 10 bits of its
/// fingerprint, counted from the lowest one.
fn nothing_that_is_there_is_denied(file: &rusqlite::Connection) {
    let mut bits = BTreeMap::new();
    let mut rows = file.prepare("SELECT range, bits FROM finder_bloom").unwrap();
    let rows = rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for row in rows {
        let (range, row): (i64, Vec<u8>) = row.unwrap();
        bits.insert(range, row);
    }
    let mut names = file
        .prepare(
            "SELECT fingerprint FROM finder_2 WHERE typeof(place) = 'integer'
             UNION ALL SELECT fingerprint FROM finder_3 WHERE typeof(place) = 'integer'",
        )
        .unwrap();
    for name in names.query_map((), |row| row.get::<_, i64>(0)).unwrap() {
        let name = name.unwrap();
        let row = &bits[&((name >> 54) + 512)];
        for at in [name & 0x3fff, (name >> 14) & 0x3fff, (name >> 28) & 0x3fff] {
            let at = usize::try_from(at).unwrap() % (row.len() * 8);
            assert!(row[at / 8] & (1 << (at % 8)) != 0, "{name} is denied");
        }
    }
}

pub(super) fn fingerprint(kind: u8, parts: &[&[u8]]) -> i64 {
    let mut hash = Sha256::new();
    hash.update([kind]);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    i64::from_be_bytes(hash.finalize()[..8].try_into().unwrap())
}
