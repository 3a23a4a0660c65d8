//! Two versions of the program side by side on one database, as a rolling upgrade has them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use closeout_tests::{program, wait_until};
use serde_json::Value;

use super::{AMISS, Fleet, replicas::Replica};

/// How many closures.
const CLOSURES: u32 = 240;

/// How many of them are looked at through every service while two versions are at work.
const LOOKED_AT: usize = 20;

/// How long both versions work side by side before the next service is replaced.
const BESIDE: Duration = Duration::from_secs(2);

/// The older version: `CLOSEOUT_OLDER_BIN`, as `tests/postgres/older` builds one of any revision. Without it the version under test is
/// replaced by itself.
fn older() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::env::var_os("CLOSEOUT_OLDER_BIN").map_or_else(|| program().to_owned(), |given| root.join(given))
}

/// The tables are those of the older version; the newer one changes them while the older one works. Each service is stopped and
/// replaced in turn, and one of the other version is killed each time, while closures are asked for of any of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_versions_side_by_side_lose_nothing() {
    let fleet = Fleet::begin_as(older(), None, None).await;
    let made = fleet.conversations(CLOSURES);
    let quarter = made.len() / 4;
    fleet.submit_all(&made[..quarter]).await;
    for (turn, replica) in fleet.replicas.iter().enumerate() {
        let (stays, asked) = (replica.clone(), &made[(turn + 1) * quarter..(turn + 2) * quarter]);
        let ((), ()) = tokio::join!(fleet.submit_all(asked), async {
            replica_becomes(&fleet, replica.clone()).await;
            tokio::time::sleep(BESIDE).await;
            let other = &fleet.replicas[(stays.number + 1) % fleet.replicas.len()];
            other.kill();
            other.start(&fleet.scene);
        });
        fleet.ready().await;
        if turn + 1 < fleet.replicas.len() {
            both_read_alike(&fleet).await;
        }
    }
    fleet.all_closed().await;
    let verdict = fleet.scene.simulator.verdict();
    assert_eq!(
        verdict.wrapper_closes_before_guest_gone + verdict.wrapper_closes_before_proof,
        0,
        "{verdict:?}"
    );
    assert_eq!(verdict.conversations, u64::from(CLOSURES));
    assert_eq!(fleet.scene.count(&["closed", "already_closed"]).await, made.len());
    assert_eq!(fleet.scene.count(AMISS).await, 0);
    both_read_alike(&fleet).await;
}

/// Stops one and starts the version under test in its place.
async fn replica_becomes(fleet: &Fleet, replica: std::sync::Arc<Replica>) {
    tokio::task::block_in_place(|| replica.becomes(program().to_owned(), &fleet.scene));
    let url = format!("http://127.0.0.1:{}/readyz", replica.port);
    let ready = wait_until(Duration::from_secs(30), || async {
        reqwest::get(&url).await.ok().filter(|answer| answer.status().is_success()).map(drop)
    });
    assert!(ready.await.is_some(), "the newer version is not ready: {}", fleet.scene.log());
}

/// Holds what the services tell of the same closures against each other, whichever version wrote them.
async fn both_read_alike(fleet: &Fleet) {
    let (status, page) =
        fleet.scene.ask("GET", &format!("/v1/closures?state=closed&limit={LOOKED_AT}"), None).await;
    assert_eq!(status, 200, "{page}");
    let listed = page["items"].as_array().unwrap();
    assert!(!listed.is_empty(), "{}", fleet.scene.log());
    let token = fleet.scene.environment()[1].1.to_owned();
    let client = reqwest::Client::new();
    for closure in listed {
        let id = closure["id"].as_str().unwrap();
        let mut told: Vec<(Value, usize)> = Vec::new();
        for replica in &fleet.replicas {
            let url = format!("http://127.0.0.1:{}/v1/closures/{id}", replica.port);
            let one = client.get(&url).bearer_auth(&token).send().await.unwrap();
            assert_eq!(one.status(), 200, "{id}: {}", fleet.scene.log());
            let one: Value = one.json().await.unwrap();
            let lines = client.get(format!("{url}/timeline")).bearer_auth(&token).send().await.unwrap();
            assert_eq!(lines.status(), 200, "{id}: {}", fleet.scene.log());
            let lines: Value = lines.json().await.unwrap();
            let outcome =
                ["id", "state", "conversationId", "calls", "endedAt"].map(|field| one[field].clone());
            told.push((Value::from(outcome.to_vec()), lines["items"].as_array().unwrap().len()));
        }
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{id} is told of differently: {told:#?}");
    }
}
