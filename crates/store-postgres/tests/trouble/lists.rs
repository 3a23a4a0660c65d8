//! Lists of a large table are read along the index that is made for them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use store::{Filter, Order, Row, Store, conformance::samples};
use store_postgres::PostgresStore;
use tokio::task::JoinSet;

use crate::server;

/// How often an index of closures was walked in this schema.
async fn walks(schema: &str, index: &str) -> i64 {
    let session = server::session().await;
    let asked =
        "SELECT coalesce(idx_scan, 0) FROM pg_stat_user_indexes WHERE schemaname = $1 AND indexrelname = $2";
    session.query_one(asked, &[&schema, &index]).await.expect("the index is there").get(0)
}

#[tokio::test]
async fn what_is_rare_in_a_large_table_is_found_by_its_source_or_its_reason() {
    let schema = server::schema();
    let store = PostgresStore::open(&server::address(&schema), false).await;
    let store: Arc<dyn Store> = Arc::new(store.expect("the server answers"));
    let mut commits = JoinSet::new();
    for n in 0..2_000 {
        let rare = n == 1_000;
        let row = Row {
            source: if rare { "rare" } else { "http" }.to_owned(),
            reason: rare.then(|| "rejected".to_owned()),
            ..samples::row(n)
        };
        let store = Arc::clone(&store);
        commits.spawn(async move { store.commit(samples::insert(&row)).await });
    }
    for committed in commits.join_all().await {
        committed.expect("it is in order");
    }
    server::session().await.batch_execute(&format!("ANALYZE {schema}.closures")).await.expect("it is ours");
    let cases = [
        ("closures_source", Filter { source: Some("rare".to_owned()), ..Filter::default() }),
        ("closures_reason", Filter { reasons: vec!["rejected".to_owned()], ..Filter::default() }),
    ];
    for (index, filter) in cases {
        let before = walks(&schema, index).await;
        let give_up = Instant::now() + Duration::from_secs(30);
        // A session tells of what it walked with a later statement, once a second at most.
        while walks(&schema, index).await == before {
            assert!(Instant::now() < give_up, "{index} was not walked");
            let found = store.list(&filter, Order::NewestFirst, None, 50).await.expect("it answers");
            assert_eq!(found.iter().map(|row| row.key).collect::<Vec<_>>(), [samples::key(1_000)]);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
