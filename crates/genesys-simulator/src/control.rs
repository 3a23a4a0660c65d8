//! The control under `/_sim`: make conversations, choose faults, move the clock, read the journal.
//!
//! | method and path | does | body |
//! | --- | --- | --- |
//! | `GET /_sim` | names itself: dialect, seed, time | |
//! | `POST /_sim/conversations` | makes one, or `count` | [`NewConversation`]; may be empty |
//! | `GET /_sim/conversations?open=&limit=` | lists | |
//! | `GET /_sim/conversations/{id}` | shows one with what only the simulator knows | |
//! | `POST /_sim/conversations/{id}/guest` | the guest acts | `{"action": "reload" \| "return" \| "leave" \| "type", "text"}` |
//! | `GET`, `POST /_sim/chaos` | shows or replaces faults | `{"presets": [name or rule], "rate", "seed", "conversations"}` |
//! | `GET`, `POST /_sim/clock` | tells or pushes the time | `{"advanceMs"}` or `{"advance": "PT10M"}` |
//! | `GET /_sim/journal?conversationId=&kind=&since=&limit=` | everything seen and done, in order | |
//! | `GET /_sim/verdict` | judges the run | |
//! | `POST /_sim/reset` | forgets all but clients and webhooks | `{"seed"}`; may be empty |
//! | `POST /_sim/trigger` | sends an event on demand | [`Trigger`] |
//! | `GET`, `PUT /_sim/adapters` | shows or replaces the webhooks | `{"webhooks": [WebhookAdapter]}` |
//! | `GET`, `POST /_sim/sockets` | shows channels of notifications, or strikes their sockets | `{"act": "cut" \| "announce" \| "silence" \| "unsubscribe" \| "revoke", "channel"}` |
//! | `POST /_sim/clients` | lets an OAuth client log in | [`OauthClient`] |
//! | `PUT /_sim/queues/{id}/wrapupcodes` | gives a queue wrap-up codes of its own | `{"codes": [WrapUpCode]}` |
//! | `GET /_sim/guest/{id}`, `…/state` | what the guest sees, as a page or as JSON | |
//! | `POST /_sim/guest/{id}` | the guest types, as the page's form does | `text=…` |

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::chaos::{ChaosSpec, FaultRule};
use crate::clock::timestamp;
use crate::config::{OauthClient, WebhookAdapter};
use crate::dialect::Dialect;
use crate::guest_page;
use crate::journal::{JournalKind, JournalPage, JournalQuery, Note};
use crate::ledger::Verdict;
use crate::population::{CannotCreate, GuestAct, NewConversation};
use crate::sockets::SocketAct;
use crate::trigger::{CannotTrigger, Trigger};
use crate::views;
use crate::world::World;
use crate::wrap_up_codes::WrapUpCode;

/// The routes of the control.
pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_sim", get(overview))
        .route("/_sim/conversations", post(create).get(list))
        .route("/_sim/conversations/{id}", get(show))
        .route("/_sim/conversations/{id}/guest", post(act_as_guest))
        .route("/_sim/chaos", get(show_chaos).post(set_chaos))
        .route("/_sim/clock", get(show_clock).post(advance_clock))
        .route("/_sim/journal", get(journal))
        .route("/_sim/verdict", get(verdict))
        .route("/_sim/reset", post(reset))
        .route("/_sim/trigger", post(trigger))
        .route("/_sim/adapters", get(show_adapters).put(replace_adapters))
        .route("/_sim/sockets", get(show_sockets).post(act_on_sockets))
        .route("/_sim/clients", post(admit_client))
        .route("/_sim/queues/{id}/wrapupcodes", put(set_wrap_up_codes))
        .route("/_sim/guest/{id}", get(guest_page::page).post(guest_page::typed))
        .route("/_sim/guest/{id}/state", get(guest_page::state))
        .route("/_sim/guest-page.css", get(guest_page::style))
        .route("/_sim/guest-page.js", get(guest_page::script))
}

/// A request of the control that was not understood or cannot be met.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// Reads a JSON body; an empty one counts as `{}`.
fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))
}

fn no_conversation() -> Refused {
    Refused(StatusCode::NOT_FOUND, "there is no such conversation".into())
}

async fn overview(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({
        "name": "genesys-simulator",
        "dialect": world.config.dialect.map_or("platform", Dialect::name),
        "seed": world.seed(),
        "now": timestamp(world.clock.now()),
        "conversations": world.conversations.len(),
        "guestPage": "/_sim/guest/{conversationId}",
    }))
}

async fn create(State(world): State<Arc<World>>, body: Bytes) -> Result<Response, Refused> {
    let wanted: NewConversation = parsed(&body)?;
    let created = world.create(&wanted).map_err(|error| {
        let status = match error {
            CannotCreate::IdTaken => StatusCode::CONFLICT,
            CannotCreate::IdForMany | CannotCreate::TooMany => StatusCode::BAD_REQUEST,
        };
        Refused(status, error.to_string())
    })?;
    let many = if created.len() == 1 { "" } else { "s" };
    let what = format!("made {} conversation{many}", created.len());
    let first = created.first().map(|one| one.conversation_id);
    world.note(Note::new(JournalKind::Control, first, what).status(201));
    let mut answer = created.first().map_or_else(|| json!({}), |first| json!(first));
    if wanted.count.is_some() {
        answer["conversations"] = json!(created);
    }
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Which conversations to list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListQuery {
    open: Option<bool>,
    limit: Option<usize>,
}

async fn list(State(world): State<Arc<World>>, Query(query): Query<ListQuery>) -> Json<Value> {
    let mut all: Vec<(i64, Value)> = world
        .conversations
        .iter()
        .filter(|talk| query.open.is_none_or(|open| talk.ended_at.is_none() == open))
        .map(|talk| {
            let shown = json!({
                "conversationId": talk.id,
                "startedAt": timestamp(talk.started_at),
                "endedAt": talk.ended_at.map(timestamp),
                "guestConnected": talk.guest_is_connected(),
                "guestState": talk.guest_state(),
            });
            (talk.started_at, shown)
        })
        .collect();
    all.sort_by_key(|(at, shown)| (*at, shown["conversationId"].to_string()));
    let total = all.len();
    let shown: Vec<Value> =
        all.into_iter().take(query.limit.unwrap_or(100)).map(|(_, shown)| shown).collect();
    Json(json!({ "total": total, "conversations": shown }))
}

async fn show(State(world): State<Arc<World>>, Path(id): Path<Uuid>) -> Result<Json<Value>, Refused> {
    world.show(id).map(Json).ok_or_else(no_conversation)
}

impl World {
    /// Shows a conversation with what only the simulator knows.
    pub(crate) fn show(&self, id: Uuid) -> Option<Value> {
        let talk = self.remembered(id)?;
        let participants: Vec<Value> = talk
            .participants
            .iter()
            .map(|p| {
                json!({
                    "participantId": p.id,
                    "purpose": p.purpose.name(),
                    "connected": p.is_connected(),
                    "inAfterCallWork": p.in_after_call_work(),
                    "legs": p.legs.iter().map(|leg| json!({
                        "communicationId": leg.id,
                        "connected": leg.is_connected(),
                        "endedAt": leg.ended.map(|(at, _)| timestamp(at)),
                        "disconnectType": leg.ended.map(|(_, how)| how.name()),
                        "shownToClients": leg.known,
                        "endShownToClients": leg.proven,
                    })).collect::<Vec<_>>(),
                })
            })
            .collect();
        Some(json!({
            "conversationId": talk.id,
            "externalId": talk.external_id,
            "startedAt": timestamp(talk.started_at),
            "endedAt": talk.ended_at.map(timestamp),
            "open": talk.ended_at.is_none(),
            "version": talk.version,
            "wrapper": talk.wrapper.name(),
            "guestConnected": talk.guest_is_connected(),
            "guestState": talk.guest_state(),
            "calls": talk.ledger.calls,
            "participants": participants,
            "conversation": views::conversation(&talk),
        }))
    }
}

async fn act_as_guest(
    State(world): State<Arc<World>>,
    Path(id): Path<Uuid>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let act: GuestAct = parsed(&body)?;
    let what = match &act {
        GuestAct::Reload => "guest reloads",
        GuestAct::Return => "guest returns",
        GuestAct::Leave => "guest leaves",
        GuestAct::Type { .. } => "guest types",
    };
    if !world.act_as_guest(id, act) {
        return Err(no_conversation());
    }
    world.note(Note::new(JournalKind::Control, Some(id), what));
    world.show(id).map(Json).ok_or_else(no_conversation)
}

/// Faults for the whole run, or for some conversations.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChaosRequest {
    #[serde(default, deserialize_with = "crate::chaos::rules")]
    presets: Vec<FaultRule>,
    rate: Option<f64>,
    seed: Option<u64>,
    conversations: Option<Vec<Uuid>>,
}

async fn set_chaos(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<Value>, Refused> {
    let request: ChaosRequest = parsed(&body)?;
    if let Some(seed) = request.seed {
        world.set_seed(seed);
    }
    let chaos = ChaosSpec { presets: request.presets, rate: request.rate };
    let named = request.conversations.unwrap_or_default();
    if let Some(unknown) = named.iter().find(|id| !world.conversations.contains_key(id)) {
        return Err(Refused(StatusCode::NOT_FOUND, format!("there is no conversation {unknown}")));
    }
    world.note(Note::new(JournalKind::Control, None, "set chaos").detail(json!(chaos).to_string()));
    if named.is_empty() {
        world.set_general_chaos(chaos.clone());
    } else {
        world.set_chaos_of(&named, &chaos);
    }
    Ok(Json(json!({ "seed": world.seed(), "chaos": chaos, "conversations": named })))
}

async fn show_chaos(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({ "seed": world.seed(), "chaos": *world.general_chaos() }))
}

/// By how much to push the clock; exactly one of the two.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockRequest {
    advance_ms: Option<u64>,
    /// An ISO 8601 duration such as `PT10M`, or a friendly one such as `10m`.
    advance: Option<String>,
}

async fn advance_clock(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<Value>, Refused> {
    let request: ClockRequest = parsed(&body)?;
    let by = match (request.advance_ms, request.advance) {
        (Some(millis), None) => Duration::from_millis(millis),
        (None, Some(text)) => {
            let parsed: Result<jiff::SignedDuration, _> = text.parse();
            parsed.ok().and_then(|span| Duration::try_from(span).ok()).ok_or_else(|| {
                Refused(StatusCode::BAD_REQUEST, format!("`{text}` is not a duration such as PT10M"))
            })?
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refused(StatusCode::BAD_REQUEST, "give one of advanceMs and advance".into()));
        }
    };
    world.clock.advance(by);
    world.schedule.nudge();
    world.note(Note::new(JournalKind::Control, None, format!("advanced the clock by {} ms", by.as_millis())));
    Ok(clock_now(&world))
}

async fn show_clock(State(world): State<Arc<World>>) -> Json<Value> {
    clock_now(&world)
}

fn clock_now(world: &World) -> Json<Value> {
    Json(json!({ "now": timestamp(world.clock.now()), "offsetMs": world.clock.offset() }))
}

async fn journal(State(world): State<Arc<World>>, Query(query): Query<JournalQuery>) -> Json<JournalPage> {
    Json(world.journal.read(&query, world.clock.now()))
}

async fn verdict(State(world): State<Arc<World>>) -> Json<Verdict> {
    Json(world.verdict())
}

/// What a reset may set anew.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ResetRequest {
    seed: Option<u64>,
}

async fn reset(State(world): State<Arc<World>>, body: Bytes) -> Result<StatusCode, Refused> {
    let request: ResetRequest = parsed(&body)?;
    world.reset(request.seed);
    Ok(StatusCode::NO_CONTENT)
}

async fn trigger(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<Value>, Refused> {
    let wanted: Trigger = parsed(&body)?;
    let results = world.trigger(&wanted).await.map_err(|error| {
        let status = match error {
            CannotTrigger::NoConversation | CannotTrigger::NoParticipant => StatusCode::NOT_FOUND,
            CannotTrigger::NoEvent => StatusCode::BAD_REQUEST,
            CannotTrigger::NothingToReplay => StatusCode::CONFLICT,
        };
        Refused(status, error.to_string())
    })?;
    Ok(Json(json!({ "deliveries": results })))
}

/// The wrap-up codes of a queue from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodesRequest {
    codes: Vec<WrapUpCode>,
}

async fn set_wrap_up_codes(
    State(world): State<Arc<World>>,
    Path(queue): Path<Uuid>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let request: CodesRequest = parsed(&body)?;
    let what = format!("gave a queue {} wrap-up codes", request.codes.len());
    world.note(Note::new(JournalKind::Control, None, what).detail(queue.to_string()));
    world.wrap_up_codes.set(queue, request.codes);
    Ok(Json(json!({ "codes": world.wrap_up_codes.of(queue) })))
}

/// The webhooks to call from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdaptersRequest {
    webhooks: Vec<WebhookAdapter>,
}

async fn replace_adapters(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<Value>, Refused> {
    let request: AdaptersRequest = parsed(&body)?;
    world
        .relay
        .replace_adapters(request.webhooks)
        .map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))?;
    world.note(Note::new(JournalKind::Control, None, "replaced the webhooks"));
    Ok(adapters_now(&world))
}

async fn show_adapters(State(world): State<Arc<World>>) -> Json<Value> {
    adapters_now(&world)
}

fn adapters_now(world: &World) -> Json<Value> {
    let webhooks: Vec<Value> = world
        .relay
        .adapters()
        .iter()
        .map(|adapter| {
            let config = &adapter.config;
            json!({
                "name": config.name,
                "url": config.url,
                "verify": adapter.scheme(),
                "format": config.format,
                "queueTopic": config.queue_topic,
            })
        })
        .collect();
    Json(json!({ "webhooks": webhooks }))
}

/// What is to happen to sockets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SocketRequest {
    act: SocketAct,
    channel: Option<String>,
}

async fn show_sockets(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({ "channels": world.sockets.shown() }))
}

async fn act_on_sockets(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<Value>, Refused> {
    let request: SocketRequest = parsed(&body)?;
    let struck = world.act_on_sockets(request.act, request.channel.as_deref());
    let note = Note::new(JournalKind::Control, None, "strikes sockets");
    world.note(note.detail(json!({ "act": request.act, "sockets": struck }).to_string()));
    Ok(Json(json!({ "sockets": struck })))
}

async fn admit_client(State(world): State<Arc<World>>, body: Bytes) -> Result<StatusCode, Refused> {
    let client: OauthClient = parsed(&body)?;
    world.note(Note::new(JournalKind::Control, None, format!("client {} may log in", client.id)));
    world.credentials.admit_client(client);
    Ok(StatusCode::NO_CONTENT)
}
