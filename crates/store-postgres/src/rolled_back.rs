//! Whether a transaction whose connection was lost has come to nothing: the server remembers for how it ended.
//!
//! Only this half of its answer is taken. That a transaction was committed may be told by a server that took over from another and
//! has given the number anew; that it was rolled back is true either way of the one that was meant, as its commit is not there.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::time::sleep;

/// How often a session is looked for that the server is still about to end, and the pause between.
const LOOKS: usize = 20;
const EVERY: Duration = Duration::from_millis(50);

/// Asks a new session; `false` where it was committed, is too old, cannot be asked, or has not ended by then.
pub(crate) async fn was_rolled_back(client: &ClientWrapper, transaction: i64) -> bool {
    for _ in 0..LOOKS {
        let asked = client.query_one("SELECT txid_status($1)", &[&transaction]).await;
        match asked.and_then(|row| row.try_get::<_, Option<String>>(0)).ok().flatten().as_deref() {
            Some("aborted") => return true,
            Some("in progress") => sleep(EVERY).await,
            Some(_) | None => return false,
        }
    }
    false
}
