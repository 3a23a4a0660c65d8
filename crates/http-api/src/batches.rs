//! `/v1/batches`: many commands that are given together, shown before anything is done.

use batches::{
    ActError, Acted, Asked, Batch, BatchState, Format, Item, LARGEST_FILE, Progress, Reader, RowState,
    Unreadable,
};
use closure_machine::{Command, Subject};
use genesys_types::{Organisation, Time};
use http::{StatusCode, header};
use orchestrator::{Said, batch_id, closure_id, parse_batch_id};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::info;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    acts,
    call::{Answer, Call, json_answer},
    command::{self, Wanted, check_text},
    json::{Fields, Node},
    listing::{known_names, organisations},
    metrics,
    problem::{Problem, kinds},
    spans::Stamp,
    submit::is_key,
};

/// How many batches are shown, unless the caller says, and at most.
const USUAL: usize = 50;
const MOST: usize = 500;

/// The fields of a row.
pub(crate) const ROW: &[&str] = &["conversationId", "participantId", "idempotencyKey", "labels", "policy"];

/// The states that batches can be asked for by.
pub(crate) const STATES: &[&str] =
    &["scanning", "preview", "running", "paused", "cancelled", "finished", "failed"];

/// The states that rows can be asked for by.
pub(crate) const ROW_STATES: &[&str] =
    &["will_close", "will_act", "queued", "submitted", "closed", "ghost", "failed", "skipped"];

/// The longest reason of an execution: it becomes the `reason` of every closure.
const LONGEST_REASON: usize = 200;

/// The largest body of a batch.
pub(crate) const LARGEST_BODY: usize = LARGEST_FILE;

pub(crate) mod narrowing;
mod wanted;

#[cfg(test)]
pub(crate) use self::wanted::{ASKED, FILTER, SCAN};
use self::{
    narrowing::NarrowingView,
    wanted::{How, Rows, ScanView},
};

/// Reads rows as the API reads commands.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowReader;

impl Reader for RowReader {
    fn read(&self, organisation: &Organisation, row: &str) -> Result<Asked, String> {
        read_row(organisation, row).map_err(|problem| problem.into_detail())
    }
}

fn read_row(organisation: &Organisation, row: &str) -> Result<Asked, Problem> {
    let mut fields = Fields::of(Node::parse(row.as_bytes())?, "", ROW)?;
    let key = fields.text("idempotencyKey")?;
    if key.as_deref().is_some_and(|key| !is_key(key)) {
        return Err(fields
            .invalid("idempotencyKey", "idempotencyKey has 1 to 255 visible ASCII characters.".to_owned()));
    }
    let shape = || "a UUID in hyphenated form, such as 2f7bf00a-0fc2-4d6a-9b56-92238191433e.".to_owned();
    let conversation = fields.read("conversationId", |text| text.parse().ok(), shape)?;
    let participant = fields.read("participantId", |text| text.parse().ok(), shape)?;
    let (overrides, labels) = command::policy_and_labels(&mut fields)?;
    let Some(conversation) = conversation else {
        return Err(Problem::invalid("conversationId", "conversationId is missing."));
    };
    let wanted = Wanted {
        organisation: organisation.clone(),
        command: Command {
            subject: Subject::Conversation(conversation),
            participant,
            not_before: None,
            follows: 0,
        },
        said: Said { overrides, labels, ..Said::default() },
        dry_run: false,
    };
    let digest = wanted.digest();
    Ok(Asked { command: wanted.command, said: wanted.said, key, digest })
}

/// A page of batches.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchList {
    items: Vec<BatchView>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// Many commands that were given together.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Batch)]
pub(crate) struct BatchView {
    /// The batch's id; ids sort by the time at which it was made.
    #[schema(example = "bt_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    id: String,
    organisation: String,
    /// scanning, preview, running, paused, cancelled, finished or failed.
    state: String,
    /// The key that made it.
    by: String,
    /// The key that executed it.
    executed_by: Option<String>,
    /// Why it was executed.
    reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Stamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Stamp,
    progress: ProgressView,
    /// What is done to closures: retry, verify, cancel, resolve or force; null where conversations are closed.
    act: Option<String>,
    /// What its closures were narrowed by, as `filter` of a request takes it; null where rows were given, chosen or looked for.
    filter: Option<NarrowingView>,
    /// How its rows were looked for; null where they were given.
    scan: Option<ScanView>,
    /// What executes it: SHA-256 over this batch and the exact rows that it would close. Only of a preview.
    confirm_token: Option<String>,
    /// Until when the token can be used.
    #[schema(value_type = Option<String>, format = DateTime)]
    confirm_until: Option<Stamp>,
}

/// How many rows stand how.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchProgress)]
pub(crate) struct ProgressView {
    total: u64,
    /// To be submitted; in a preview those that would be closed.
    queued: u64,
    /// Whose closure is under way.
    submitted: u64,
    /// Whose closure ended as it should: closed, or as the act wanted it, so also resolved, or cancelled by the batch.
    closed: u64,
    /// Whose closure is held without proof.
    ghost: u64,
    /// Whose closure failed, or was called off.
    failed: u64,
    /// For which nothing was done.
    skipped: u64,
}

/// A page of rows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchItemList {
    items: Vec<ItemView>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// One row.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BatchItem)]
pub(crate) struct ItemView {
    /// Its place among the rows, from 1; blank lines, comments and headings are none.
    row: u32,
    /// The line of the file in which it begins, from 1, every line counted; null where there was no file.
    line: Option<u32>,
    /// will_close (in a preview; will_act of a batch with an act), queued, submitted, closed, ghost, failed or skipped.
    state: &'static str,
    conversation_id: Option<String>,
    /// The closure that answers for it, or stands in its way.
    closure: Option<String>,
    /// Of a skipped row malformed, duplicate, repeated, open_closure, closed_already or cancelled, of an act unfit or not_found, and of a scan ended, not_found,
    /// not_messaging, no_guest, agent_connected, wrapup_pending, too_young, active_lately, other_queue, other_message_type or not_shown; else
    /// that of its closure.
    reason: Option<String>,
    /// What cannot be read in it, what a scan has seen, or how a closure stands that an act is not done to.
    detail: Option<String>,
    /// Of a malformed row: the first 100 characters of what was given, on one line, control characters spelt out; else null.
    text: Option<String>,
}

impl BatchView {
    fn of(batch: Batch, progress: Progress) -> Self {
        let stamp = |millis| Stamp(Time::from_millis(millis));
        let preview = batch.state == BatchState::Preview;
        Self {
            id: batch_id(batch.key),
            organisation: batch.organisation,
            state: batch.state.name().to_owned(),
            by: batch.plan.by,
            executed_by: batch.plan.executed_by,
            reason: batch.plan.reason,
            created_at: stamp(batch.plan.created_at),
            updated_at: stamp(batch.updated_at),
            progress: ProgressView {
                total: progress.total,
                queued: progress.queued,
                submitted: progress.submitted,
                closed: progress.closed,
                ghost: progress.ghost,
                failed: progress.failed,
                skipped: progress.skipped,
            },
            act: batch.plan.act.clone(),
            filter: batch.plan.filter.map(NarrowingView::of),
            scan: batch.plan.scan.as_ref().map(ScanView::of),
            confirm_until: preview.then(|| stamp(batch.plan.expires_at)),
            confirm_token: preview.then_some(batch.plan.token),
        }
    }
}

impl ItemView {
    fn of(item: Item, preview: bool, acts: bool) -> Self {
        let state = match (item.state, preview) {
            (RowState::Queued, true) if acts => "will_act",
            (RowState::Queued, true) => "will_close",
            (state, _) => state.name(),
        };
        Self {
            row: item.number,
            line: item.line,
            state,
            conversation_id: item.conversation.map(|id| id.to_string()),
            closure: item.closure.map(closure_id),
            reason: item.reason,
            detail: item.detail,
            text: item.text,
        }
    }
}

/// The organisation of a batch that is to be made: rows are taken as a command is, and what matches or is open needs its name.
pub(crate) fn asked_of(call: &Call) -> Result<Organisation, Problem> {
    let named = call.query()?.one("organisation")?;
    if named.is_none() && format(call)? == Format::Json && is_object(call) {
        acts::one_organisation(call, "A batch is of one organisation")?;
    }
    command::organisation(named, call.caller(), &call.shared.organisations)
}

/// `POST /v1/batches`
pub(crate) async fn preview(call: Call) -> Answer {
    let mut query = call.query()?;
    query.one("organisation")?;
    let in_query = (query.one("mode")?, query.one("reason")?);
    query.finish()?;
    let caller = call.caller();
    let format = format(&call)?;
    let batches = &call.shared.api.batches;
    let (wanted, in_body) =
        wanted::read(&call, format)?.unwrap_or_else(|| (Rows::Given(format), Default::default()));
    let how = How::of(in_query, in_body)?;
    how.check(caller, &wanted)?;
    let organisation = asked_of(&call)?;
    let previewed = match wanted {
        Rows::Given(format) => {
            batches.preview(&organisation, &caller.name, format, call.file.clone()).await?
        }
        Rows::OfClosures(filter) => {
            match batches.preview_closures(&organisation, &caller.name, &filter).await? {
                Err(Unreadable::Empty) => {
                    return Err(Problem::invalid(
                        "filter",
                        "No closure with a conversation matches the filter.",
                    ));
                }
                previewed => previewed,
            }
        }
        Rows::Acts(act, chosen) => {
            let given_closures = matches!(chosen, batches::Chosen::These(_));
            match batches.preview_acts(&organisation, &caller.name, act, chosen).await? {
                Err(Unreadable::Empty) => {
                    let (field, detail) = match given_closures {
                        true => ("closures", "closures names none."),
                        false => ("filter", "No closure matches the filter."),
                    };
                    return Err(Problem::invalid(field, detail));
                }
                previewed => previewed,
            }
        }
        Rows::Stuck(criteria) => {
            let batch = batches.scan(&organisation, &caller.name, criteria).await?;
            info!(batch = batch_id(batch.key), by = &*caller.name, "a scan for stuck sessions begins");
            return answer(&call, StatusCode::ACCEPTED, batch).await;
        }
    };
    let batch = match previewed {
        Ok(batch) => batch,
        Err(Unreadable::TooLarge) => return Err(too_large()),
        Err(Unreadable::TooManyMatch(narrower)) => return Err(narrowing::too_many(narrower)),
        Err(unreadable @ (Unreadable::TooMany | Unreadable::Empty | Unreadable::Broken(_))) => {
            let detail = format!("The rows cannot be taken: {unreadable}.");
            return Err(Problem::new(&kinds::UNREADABLE_BATCH, detail));
        }
    };
    info!(batch = batch_id(batch.key), by = &*caller.name, "a batch was previewed");
    let How::Execute(reason) = how else { return answer(&call, StatusCode::CREATED, batch).await };
    call.trail.about(organisation.as_str(), batch_id(batch.key));
    call.trail.tell(&*call.shared.api.store).await?;
    let done = batches.execute(batch.key, &batch.plan.token, &reason, &caller.name).await;
    acted(&call, "execute_batch", done).await
}

/// Whether a batch is to be run at once, as the query or the body says.
pub(crate) fn asks_to_execute(call: &Call) -> bool {
    let in_query = || call.query().ok()?.one("mode").ok()?;
    let in_body = || match object(call)? {
        Node::Object(fields) => {
            fields.into_iter().find_map(|(name, mode)| (name == "mode").then(|| mode.into_text())?)
        }
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::List(_) => None,
    };
    [in_query(), in_body()].into_iter().flatten().any(|mode| mode == "execute")
}

/// Whether the body begins as one object, and not as a list of rows.
fn is_object(call: &Call) -> bool {
    call.file.trim_ascii_start().first() == Some(&b'{')
}

/// The body, where it is one object and no rows.
pub(crate) fn object(call: &Call) -> Option<Node> {
    is_object(call).then(|| Node::parse(&call.file).ok())?
}

pub(crate) fn too_large() -> Problem {
    Problem::new(&kinds::TOO_LARGE, format!("The body has more than {LARGEST_BODY} bytes."))
        .fix("Give the rows in several batches.")
}

fn format(call: &Call) -> Result<Format, Problem> {
    let given =
        call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = given.split(';').map(str::trim);
    let format = parts.next().and_then(Format::of_content_type);
    let utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    match format.filter(|_| utf8 && !call.headers.contains_key(header::CONTENT_ENCODING)) {
        Some(format) => Ok(format),
        None => Err(Problem::new(&kinds::NOT_JSON, "The body's type is none that rows are read from.").fix(
            "Send rows in UTF-8 as application/json, application/x-ndjson, text/csv or text/plain, without Content-Encoding.",
        )),
    }
}

/// `POST /v1/batches/{id}/execute`
pub(crate) async fn execute(mut call: Call) -> Answer {
    call.query()?.finish()?;
    let key = visible(&call).await?.key;
    let (token, reason) = match call.body.take() {
        Some(body) => {
            let mut fields = Fields::of(body, "", &["confirmToken", "reason"])?;
            (fields.text("confirmToken")?, fields.text("reason")?)
        }
        None => (None, None),
    };
    check_text("reason", reason.as_deref(), LONGEST_REASON)?;
    let missing = |field: &'static str| Problem::invalid(field, format!("{field} is missing."));
    let token = token.ok_or_else(|| missing("confirmToken"))?;
    let reason = reason.filter(|reason| !reason.trim().is_empty()).ok_or_else(|| missing("reason"))?;
    let done = call.shared.api.batches.execute(key, &token, &reason, &call.caller().name).await;
    acted(&call, "execute_batch", done).await
}

/// `POST /v1/batches/{id}/pause`
pub(crate) async fn pause(mut call: Call) -> Answer {
    call.query()?.finish()?;
    acts::optional_reason(&mut call)?;
    let key = visible(&call).await?.key;
    let done = call.shared.api.batches.pause(key).await;
    acted(&call, "pause_batch", done).await
}

/// `POST /v1/batches/{id}/resume`
pub(crate) async fn resume(mut call: Call) -> Answer {
    call.query()?.finish()?;
    acts::optional_reason(&mut call)?;
    let key = visible(&call).await?.key;
    let done = call.shared.api.batches.resume(key).await;
    acted(&call, "resume_batch", done).await
}

/// `POST /v1/batches/{id}/cancel`
pub(crate) async fn cancel(mut call: Call) -> Answer {
    call.query()?.finish()?;
    acts::optional_reason(&mut call)?;
    let key = visible(&call).await?.key;
    let done = call.shared.api.batches.cancel(key).await;
    acted(&call, "cancel_batch", done).await
}

async fn acted(call: &Call, action: &'static str, done: Result<Acted, ActError>) -> Answer {
    let Acted { batch, has_effect } = done.map_err(|error| refused(call, error))?;
    let mut after = standing(&batch);
    if !has_effect {
        // Somebody was faster than this look-up, perhaps: then it is his act that the batch goes by.
        call.trail.found(&batch.organisation, after.clone());
        after["effect"] = "none".into();
    }
    call.trail.after(after);
    let caller = call.caller();
    metrics::operator_action(action, caller.role.name());
    info!(batch = call.id, by = &*caller.name, action, "an operator acted on a batch");
    answer(call, StatusCode::ACCEPTED, batch).await
}

fn refused(call: &Call, error: ActError) -> Problem {
    match error {
        ActError::Unknown => none(call),
        ActError::Unfit(state) => {
            let detail = format!("The batch is {}, which this does not fit.", state.name());
            Problem::new(&kinds::BATCH_UNFIT, detail)
        }
        ActError::OtherToken => {
            Problem::new(&kinds::OTHER_TOKEN, "confirmToken is not that of the rows of this batch.")
                .field("confirmToken")
        }
        ActError::Expired => Problem::new(&kinds::TOKEN_EXPIRED, "The preview is more than 15 minutes old.")
            .field("confirmToken"),
        ActError::Unavailable(unavailable) => unavailable.into(),
    }
}

/// `GET /v1/batches`
pub(crate) async fn list(call: Call) -> Answer {
    let mut query = call.query()?;
    let organisations = organisations(&call, &mut query)?;
    let states = known_names(&mut query, "state", STATES)?;
    let states: Vec<_> = states.iter().filter_map(|name| BatchState::of(name)).collect();
    let limit = query.limit(USUAL, MOST)?;
    let before = query.one("cursor")?.map(|text| key("cursor", &text)).transpose()?;
    query.finish()?;
    let batches = &call.shared.api.batches;
    // To the store an empty list is no restriction; here it is a key for no organisation.
    let mut found = if organisations.is_empty() {
        Vec::new()
    } else {
        batches.list(organisations, &states, before, limit + 1).await?
    };
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| batch_id(last.key));
    let mut items = Vec::with_capacity(found.len());
    for batch in found {
        let progress = batches.progress(batch.key).await?;
        // Only whoever asks for one batch is given its token.
        items.push(BatchView { confirm_token: None, ..BatchView::of(batch, progress) });
    }
    Ok(json_answer(StatusCode::OK, &BatchList { items, next_cursor }))
}

/// `GET /v1/batches/{id}`
pub(crate) async fn one(call: Call) -> Answer {
    call.query()?.finish()?;
    let batch = visible(&call).await?;
    answer(&call, StatusCode::OK, batch).await
}

/// `GET /v1/batches/{id}/items`
pub(crate) async fn items(call: Call) -> Answer {
    let mut query = call.query()?;
    let state = query.one("state")?.map(|text| row_state(&text)).transpose()?;
    let limit = query.limit(USUAL, MOST)?;
    let after = query.one("cursor")?.map(|text| {
        text.parse::<u32>()
            .map_err(|_| Problem::invalid("cursor", "cursor is not one that a list was answered with."))
    });
    let after = after.transpose()?;
    query.finish()?;
    let batch = visible(&call).await?;
    let preview = batch.state == BatchState::Preview;
    let mut found = call.shared.api.batches.items(batch.key, state, after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| last.number.to_string());
    let acts = batch.plan.act.is_some();
    let items = found.into_iter().map(|item| ItemView::of(item, preview, acts)).collect();
    Ok(json_answer(StatusCode::OK, &BatchItemList { items, next_cursor }))
}

fn row_state(text: &str) -> Result<RowState, Problem> {
    let queued = matches!(text, "will_close" | "will_act");
    let named = if queued { Some(RowState::Queued) } else { RowState::of(text) };
    named.ok_or_else(|| {
        let names: Vec<_> = RowState::ALL.iter().map(|state| state.name()).collect();
        Problem::invalid("state", format!("state is will_close, will_act or one of {}.", names.join(", ")))
    })
}

async fn answer(call: &Call, status: StatusCode, batch: Batch) -> Answer {
    let progress = call.shared.api.batches.progress(batch.key).await?;
    Ok(json_answer(status, &BatchView::of(batch, progress)))
}

/// The batch that the path names, where the caller sees its organisation.
pub(crate) async fn visible(call: &Call) -> Result<Batch, Problem> {
    let found = call.shared.api.batches.one(key("id", &call.id)?).await?;
    let sees = |batch: &Batch| batch.organisation.parse().is_ok_and(|name| call.caller().sees(&name));
    let batch = found.filter(sees).ok_or_else(|| none(call))?;
    call.trail.found(&batch.organisation, standing(&batch));
    Ok(batch)
}

/// How a batch stands, for those who want to know later what an act did.
fn standing(batch: &Batch) -> Value {
    let mut standing = json!({ "state": batch.state.name() });
    if let Some(by) = &batch.plan.executed_by {
        standing["executedBy"] = by.as_str().into();
    }
    standing
}

fn none(call: &Call) -> Problem {
    Problem::new(&kinds::NO_BATCH, format!("There is no batch {} here.", call.id))
}

fn key(field: &str, text: &str) -> Result<Uuid, Problem> {
    parse_batch_id(text).ok_or_else(|| {
        let detail = format!("\"{text}\" is not the id of a batch, such as bt_01jd5w3k9m2q8r7tb4x0y6z1ne.");
        Problem::invalid(field, detail).ids_at("/v1/batches")
    })
}
