//! What needs me: ghosts by reason, the oldest of them, and everything that keeps closures from going on.

use askama::Template;
use axum::response::Redirect;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    frame::{self, Frame, Page, Visitor},
    pages::{
        advice::{Advice, Way},
        asked,
        needs::{Need, Standing, needs},
    },
    parts::{Moment, State, items, query, some, text, words},
    prose::Prose,
};

/// How many ghosts are shown here; the list has all.
const SHOWN: usize = 10;

/// How many queues are shown here, those with the most ghosts.
const QUEUES_SHOWN: usize = 12;

#[derive(Debug, Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    needs: Vec<Need>,
    groups: Vec<Group>,
    queues: Vec<Queue>,
    /// Queues with ghosts that are not shown.
    more_queues: usize,
    ghosts: Vec<Ghost>,
    organisations: Vec<Organisation>,
    adapters: Vec<Adapter>,
    sources: Vec<Source>,
    open: u64,
}

#[derive(Debug)]
struct Group {
    organisation: String,
    reason: String,
    count: String,
    oldest: Moment,
    address: String,
}

#[derive(Debug)]
struct Queue {
    organisation: String,
    name: String,
    count: String,
    reasons: String,
    oldest: Moment,
    address: String,
}

#[derive(Debug)]
struct Ghost {
    id: String,
    conversation: String,
    reason: String,
    since: Moment,
    next_look: Moment,
    claimed_by: Option<String>,
    /// What is to be done elsewhere first.
    todo: Option<Prose>,
    /// The best of what can be pressed.
    way: Option<Way>,
}

#[derive(Debug)]
struct Organisation {
    name: String,
    open: String,
    queued: String,
    quota_left: String,
    how: &'static str,
}

#[derive(Debug)]
struct Adapter {
    name: String,
    last_event: Moment,
    rate: String,
    lag: String,
    silent_since: Option<Moment>,
}

/// A queue that commands come by.
#[derive(Debug)]
struct Source {
    name: String,
    kind: String,
    state: State,
    waiting: String,
    last: Moment,
    letters: String,
    fault: Option<String>,
}

/// Of what changes here the page is told.
const WATCHED: &str = "/v1/ghosts?limit=50";

/// `GET /console`
pub(crate) async fn moved() -> Redirect {
    Redirect::permanent("/")
}

/// `GET /`
pub(crate) async fn page(visitor: Visitor) -> Page {
    if let Some(refused) = asked::nothing(&visitor) {
        return Err(refused);
    }
    let standing = visitor.get("/readyz?verbose=true").await?;
    let summary = visitor.get("/v1/ghosts/summary").await?;
    let watched = visitor.look(WATCHED).await;
    let ghosts = visitor.get(&format!("/v1/ghosts?sort=acceptedAt&limit={SHOWN}")).await?;
    let adapters = visitor.look("/v1/adapters").await;
    let sources = visitor.look("/v1/sources").await;
    let paused = visitor.look("/v1/batches?state=paused&limit=500").await;
    let pauses = match Standing::is_paused(&standing, &sources, &paused) {
        true => visitor.look("/v1/audit?action=outgoing.pause,source.pause,batch.pause&limit=100").await,
        false => Value::Null,
    };
    let needs = needs(&Standing {
        organisations: &standing,
        adapters: &adapters,
        letters: &visitor.look("/v1/dead-letters?state=held&limit=500").await,
        sources: &sources,
        paused: &paused,
        previews: &visitor.look("/v1/batches?state=preview&limit=500").await,
        pauses: &pauses,
        now: Timestamp::now(),
    });
    let queues = summary["byQueue"].as_array().map_or(&[][..], Vec::as_slice);
    let all = standing["organisations"].as_array().map_or(&[][..], Vec::as_slice);
    let frame = visitor.frame("home", "What needs me", "/v1/ghosts").await;
    let frame = frame.showing(["/v1/ghosts/summary", "/readyz?verbose=true"]);
    let home = Home {
        needs,
        groups: summary["groups"].as_array().into_iter().flatten().map(Group::of).collect(),
        queues: queues.iter().take(QUEUES_SHOWN).map(Queue::of).collect(),
        more_queues: queues.len().saturating_sub(QUEUES_SHOWN),
        ghosts: items(&ghosts).iter().map(Ghost::of).collect(),
        organisations: all.iter().map(Organisation::of).collect(),
        adapters: items(&adapters).iter().map(Adapter::of).collect(),
        sources: items(&sources).iter().map(Source::of).collect(),
        open: all.iter().filter_map(|one| one["open"].as_u64()).sum(),
        frame: frame.watching(WATCHED, &watched),
    };
    Ok(frame::show(&home))
}

impl Group {
    fn of(group: &Value) -> Self {
        let (organisation, reason) = (text(&group["organisation"]), text(&group["reason"]));
        Self {
            address: format!(
                "/console/closures?{}",
                query([("state", "ghost"), ("reason", &reason), ("organisation", &organisation)])
            ),
            reason: words(&group["reason"]),
            count: text(&group["count"]),
            oldest: Moment::of(&group["oldestAcceptedAt"]),
            organisation,
        }
    }
}

impl Queue {
    fn of(one: &Value) -> Self {
        let (organisation, queue) = (text(&one["organisation"]), some(&one["queueId"]));
        let reasons = one["byReason"].as_object().into_iter().flatten();
        let reasons: Vec<_> =
            reasons.map(|(reason, count)| format!("{} {}", text(count), reason.replace('_', " "))).collect();
        let wanted = queue.as_deref().unwrap_or("none");
        Self {
            address: format!(
                "/console/closures?{}",
                query([("state", "ghost"), ("queueId", wanted), ("organisation", &organisation)])
            ),
            name: queue.unwrap_or_else(|| "not known".to_owned()),
            count: text(&one["count"]),
            reasons: reasons.join(", "),
            oldest: Moment::of(&one["oldestAcceptedAt"]),
            organisation,
        }
    }
}

impl Ghost {
    fn of(item: &Value) -> Self {
        let (id, ghost) = (text(&item["id"]), &item["ghost"]);
        let advice = Advice::all(&json!({ "next": ghost["suggested"] }));
        let way = advice.iter().find_map(|one| one.way(&id));
        let first = advice.into_iter().next();
        Self {
            conversation: text(&item["conversationId"]),
            reason: words(&ghost["reason"]),
            since: Moment::of(&ghost["since"]),
            next_look: Moment::of(&ghost["nextLook"]),
            claimed_by: some(&ghost["handling"]["claimed"]["by"]),
            todo: first.filter(|first| first.form.is_none()).map(|first| first.what),
            way,
            id,
        }
    }
}

impl Organisation {
    fn of(one: &Value) -> Self {
        let how = if one["paused"] == true {
            "paused"
        } else if one["blockedUntil"].is_string() {
            "refused by Genesys"
        } else {
            "calls go out"
        };
        Self {
            name: text(&one["name"]),
            open: text(&one["open"]),
            queued: text(&one["queued"]),
            quota_left: one["quotaLeft"]
                .as_u64()
                .map_or_else(|| "no limit".to_owned(), |left| left.to_string()),
            how,
        }
    }
}

impl Adapter {
    fn of(one: &Value) -> Self {
        Self {
            name: text(&one["adapter"]),
            last_event: Moment::of(&one["lastEventAt"]),
            rate: format!("{:.1}", one["eventsPerMinute"].as_f64().unwrap_or_default()),
            lag: one["lagMs"].as_u64().map_or_else(|| "–".to_owned(), |lag| format!("{lag} ms")),
            silent_since: one["silentSince"].is_string().then(|| Moment::of(&one["silentSince"])),
        }
    }
}

impl Source {
    fn of(one: &Value) -> Self {
        Self {
            name: text(&one["name"]),
            kind: text(&one["kind"]),
            state: State::of(&one["state"]),
            waiting: text(&one["waiting"]),
            last: Moment::of(&one["lastReceivedAt"]),
            letters: text(&one["deadLetters"]),
            fault: some(&one["fault"]),
        }
    }
}

/// Where nothing needs anybody.
impl Home {
    fn is_quiet(&self) -> bool {
        self.needs.is_empty() && self.groups.is_empty()
    }
}
