//! A store that moves from a file into the database.

use bytes::Bytes;
use store::{
    BatchFilter, BatchItem, BatchRow, Commit, DeliveryFilter, DeliveryRow, Filter, HELD, Millis, Order,
    Quarantined, Row, Store, conformance::samples,
};
use store_postgres::{Address, Import, ImportError, OpenError, PostgresStore};
use store_sqlite::SqliteStore;
use uuid::Uuid;

use crate::server;

/// Everything in one store, in pieces so small that every table has several.
async fn copy(from: &SqliteStore, to: &Address) -> Result<store::Counts, ImportError> {
    let mut import = Import::begin(to).await?;
    let mut pieces = from.export(3);
    while let Some(parcel) = pieces.next().await.expect("the file can be read") {
        import.take(&parcel).await?;
    }
    import.finish().await
}

/// A store with something of every kind, and a journal whose last line was pruned.
async fn filled() -> SqliteStore {
    let store = SqliteStore::open_in_memory().expect("there is memory");
    for n in 0..10 {
        let row = Row {
            participant: Some(samples::conversation(100 + n)),
            queue: (n % 2 == 1).then(|| samples::conversation(200 + n % 4)),
            state: if n % 2 == 1 { HELD } else { "accepted" }.to_owned(),
            labels: vec![("campaign".to_owned(), format!("{}\0", n % 2))],
            ..samples::row(n)
        };
        let commit = Commit {
            key: Some(samples::idempotency_key(&n.to_string())),
            inbox: Some(samples::event(&n.to_string())),
            lines: vec![samples::line(1, Some("accepted"))],
            ..samples::bare(&row)
        };
        store.commit(commit).await.expect("it is in order");
        if n % 3 == 0 {
            store.commit(samples::insert(&samples::ended(&row))).await.expect("it is in order");
        }
    }
    let aside = Quarantined { closure: samples::key(4), reason: "unreadable".to_owned(), at: 7 };
    store.quarantine(aside).await.expect("it is in order");
    let late = Row { updated_at: 0, ..samples::row(99) };
    store.commit(samples::insert(&late)).await.expect("it is in order");
    store.commit(samples::insert(&samples::ended(&late))).await.expect("it is in order");
    assert_eq!(store.prune(1, 0, 9).await, Ok(1));
    for n in 1..=7 {
        let id = Uuid::from_u128(n);
        let (key, organisation, body) = (id, "acme".to_owned(), Bytes::from_static(b"body"));
        let owed = DeliveryRow {
            closure: samples::key(1),
            lane: "a".to_owned(),
            result: "waiting".to_owned(),
            due_at: (n > 3).then_some(5),
            updated_at: 1,
            key,
            organisation: organisation.clone(),
            body: body.clone(),
        };
        store.owe("callbacks", 3, vec![owed]).await.expect("it is in order");
        let batch =
            BatchRow { key, organisation, state: "running".to_owned(), active: n > 2, updated_at: 1, body };
        let item =
            |number| BatchItem { number, state: "queued".to_owned(), body: Bytes::from_static(b"row") };
        store.put_batch(batch, vec![item(1), item(2)]).await.expect("it is in order");
    }
    store.set_switch("pause:acme", true).await.expect("it is in order");
    store
}

/// All that the port shows of a store.
async fn shown(store: &dyn Store) -> Vec<String> {
    let mut shown = Vec::new();
    for filter in [
        Filter::default(),
        Filter { labels: vec![("campaign".to_owned(), "1\0".to_owned())], ..Filter::default() },
        Filter { states: vec!["closed".to_owned(), "accepted".to_owned()], ..Filter::default() },
    ] {
        shown.push(format!("{:?}", store.list(&filter, Order::NewestFirst, None, 99).await));
        shown.push(format!("{:?}", store.tally(&filter).await));
    }
    for n in 0..10 {
        shown.push(format!("{:?}", store.load(samples::key(n)).await));
        shown.push(format!("{:?}", store.journal(samples::key(n)).await));
        shown.push(format!("{:?}", store.key("producer", &n.to_string()).await));
        shown.push(format!("{:?}", store.batch_items(Uuid::from_u128(n.into()), None, None, 9).await));
    }
    shown.push(format!("{:?}", store.tally_by_queue(&[]).await));
    shown.push(format!("{:?}", store.due(Millis::MAX, None, 99).await));
    shown.push(format!("{:?}", store.open_after(None, 99).await));
    shown.push(format!("{:?}", store.announcements(0, 99).await));
    shown.push(format!("{:?}", store.inbox(99).await));
    shown.push(format!("{:?}", store.quarantined().await));
    shown.push(format!("{:?} {:?}", store.cursor("callbacks").await, store.switch("pause:acme").await));
    shown.push(format!("{:?}", store.deliveries(&DeliveryFilter::default(), None, 99).await));
    shown.push(format!("{:?}", store.batches(&BatchFilter::default(), None, 99).await));
    shown
}

#[tokio::test]
async fn everything_is_shown_as_before_and_counting_goes_on() {
    let file = filled().await;
    let address = server::address(&server::schema());
    let copied = copy(&file, &address).await.expect("the database is empty");
    assert_eq!(copied, file.counts().await.expect("the file can be read"));
    let database = PostgresStore::open(&address, true).await.expect("the copy is whole");
    for (one, other) in shown(&file).await.into_iter().zip(shown(&database).await) {
        assert_eq!(one, other);
    }
    for store in [&file as &dyn Store, &database] {
        store.commit(samples::insert(&samples::row(50))).await.expect("it is in order");
        let next = samples::next(&Row { labels: Vec::new(), ..samples::row(1) });
        store.commit(samples::insert(&next)).await.expect("the stored version is the one before");
    }
    let place = |lines: Vec<store::PlacedLine>| lines.last().expect("it has a line").position;
    let [before, after] = [
        place(file.journal(samples::key(50)).await.expect("it answers")),
        place(database.journal(samples::key(50)).await.expect("it answers")),
    ];
    assert_eq!(before, after, "positions go on where they stopped, past those that were pruned");
}

#[tokio::test]
async fn a_copy_that_was_interrupted_opens_nowhere_and_begins_anew() {
    let file = filled().await;
    let address = server::address(&server::schema());
    let mut import = Import::begin(&address).await.expect("it is empty");
    let first = file.export(3).next().await.expect("the file can be read").expect("there is a piece");
    import.take(&first).await.expect("it is taken");
    drop(import);
    let refused = loop {
        // The lock of the session that was dropped goes with it.
        match PostgresStore::open(&address, true).await {
            Err(OpenError::InUse) => {}
            other => break other.expect_err("it is half a store"),
        }
    };
    assert!(matches!(refused, OpenError::HalfCopied), "{refused}");
    let copied = loop {
        match copy(&file, &address).await {
            Err(ImportError::Open(OpenError::InUse)) => {}
            other => break other.expect("it begins anew"),
        }
    };
    assert_eq!(copied, file.counts().await.expect("the file can be read"));
    let again = loop {
        match copy(&file, &address).await {
            Err(ImportError::Open(OpenError::InUse)) => {}
            other => break other.expect_err("there is a store already"),
        }
    };
    assert!(matches!(again, ImportError::NotEmpty), "{again}");
    PostgresStore::open(&address, true).await.expect("the refusal left it as it was");
}
