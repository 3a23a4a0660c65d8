//! `GET /v1/ghosts/report`: the ghosts with their timelines as one document.

use axum::{body::Body, response::Response};
use ghost_report::{Making, Report, Told, as_csv, as_json};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use orchestrator::{Orchestrator, Page, Record, closure_id};
use serde::Serialize;
use serde_json::Value;
use store::Order;
use utoipa::ToSchema;

use crate::{
    call::{Answer, Call, json_answer},
    explain::{Case, Explanation, Standing},
    ghosts::{self, GhostView},
    listing,
    problem::Problem,
    timeline::{self, TimelineItem},
};

/// The most ghosts of one report. Each costs a read of its journal, and all stand in memory until they are written.
const MOST: usize = listing::LARGEST_PAGE;

/// What the page may do: show itself. It holds no script, and its style stands in it.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
    Html,
}

/// The ghosts with what is known of each.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it describes what the report's crate writes; a test compares the members")]
pub(crate) struct GhostReport<'a> {
    #[schema(format = DateTime)]
    made_at: String,
    /// The host that was asked.
    server: String,
    /// How many ghosts are told of.
    total: u64,
    /// That there are more, in a sentence; left out where there are not.
    cut: Option<String>,
    /// The oldest first.
    ghosts: Vec<ReportedGhost<'a>>,
}

/// A ghost with all that is known of it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the report's crate writes; a test compares the members")]
struct ReportedGhost<'a> {
    ghost: GhostView<'a>,
    explanation: Explanation,
    /// The evidence, in order.
    timeline: Vec<TimelineItem>,
}

/// `GET /v1/ghosts/report`
pub(crate) async fn report(call: Call) -> Answer {
    let mut query = call.query()?;
    let form = form(query.one("format")?.as_deref())?;
    let filter = ghosts::filter(&call, &mut query)?;
    let wanted = query.one("q")?;
    let limit = query.limit(MOST, MOST)?;
    query.finish()?;
    let Page { records, next } =
        listing::find(&call, filter, wanted, Order::OldestFirst, None, limit).await?;
    let cut = next.map(|_| {
        format!(
            "There are more ghosts: these are the {limit} that were accepted first. Narrow them by organisation, reason, \
             queue, since or until."
        )
    });
    let told = told(&call.shared.api.orchestrator, &records).await?;
    let server = host(&call).to_owned();
    let at = Timestamp::from_millisecond(call.shared.api.orchestrator.now().millis()).unwrap_or_default();
    let written = tokio::task::spawn_blocking(move || {
        written(form, &told, &Making { server: &server, at, cut: cut.as_deref() })
    });
    Ok(written.await.expect("writing a report does not panic, and is not called off"))
}

fn form(given: Option<&str>) -> Result<Form, Problem> {
    match given {
        None | Some("json") => Ok(Form::Json),
        Some("csv") => Ok(Form::Csv),
        Some("html") => Ok(Form::Html),
        Some(other) => {
            Err(Problem::invalid("format", format!("format is json, csv or html; it was \"{other}\".")))
        }
    }
}

/// The host that was asked, as the request names it. It is shown and leads nowhere.
fn host(call: &Call) -> &str {
    let named = call.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    named.or(call.uri.host()).unwrap_or("this service")
}

/// What is told of each ghost.
async fn told(orchestrator: &Orchestrator, records: &[Record]) -> Result<Vec<Told>, Problem> {
    let organisations = Standing::of_all(orchestrator);
    let mut told = Vec::with_capacity(records.len());
    for record in records {
        let id = closure_id(record.key);
        let Some(ghost) = ghosts::ghost(orchestrator, record, &id, &organisations) else { continue };
        let ghost = value(&ghost);
        let (explanation, timeline) = whole(orchestrator, record, &organisations).await?;
        told.push(Told { ghost, explanation, timeline });
    }
    Ok(told)
}

/// Explanation and timeline of a ghost.
async fn whole(
    orchestrator: &Orchestrator,
    record: &Record,
    organisations: &[Standing],
) -> Result<(Value, Vec<Value>), Problem> {
    let lines = orchestrator.timeline(record.key).await?;
    let policy = orchestrator.policy_of(record);
    let case = Case {
        record,
        policy: &policy,
        organisation: Standing::named(organisations, &record.organisation),
        before: None,
        now: orchestrator.now(),
    };
    let explanation = value(&Explanation::of(&case, &lines));
    Ok((explanation, timeline::items(lines).iter().map(value).collect()))
}

fn value(view: &impl Serialize) -> Value {
    serde_json::to_value(view).expect("an answer has no key that is not a text")
}

fn written(form: Form, told: &[Told], making: &Making<'_>) -> Response {
    match form {
        Form::Json => json_answer(StatusCode::OK, &as_json(told, making)),
        Form::Csv => {
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"ghosts.csv\""),
            ];
            document(as_csv(told, making.cut), &headers)
        }
        Form::Html => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
                (header::REFERRER_POLICY, "no-referrer"),
            ];
            document(Report::of(told, making).page(), &headers)
        }
    }
}

/// A text that no cache keeps, and that is what it says it is.
fn document(text: String, headers: &[(HeaderName, &'static str)]) -> Response {
    let mut response = Response::new(Body::from(text));
    let all: &mut HeaderMap = response.headers_mut();
    let always = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CACHE_CONTROL, "no-store")];
    for (name, value) in headers.iter().cloned().chain(always) {
        all.insert(name, HeaderValue::from_static(value));
    }
    response
}
