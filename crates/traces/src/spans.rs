//! A part of a closure's journal as spans: a pure function.
//!
//! ```text
//!  close session                 the root: from the acceptance until the end, or until it becomes a ghost
//!   ├ GET /api/v2/…              each call, with its answer
//!   ├ wait for confirmation      each time without a call in which something has to happen
//!   └ (events)                   evidence, acts of operators, what was announced
//!  ghost                         each later part, below the root: from the ghost until the end, or until another reason
//! ```

use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    trace::v1::{
        Span, Status,
        span::{Event, Link, SpanKind},
        status::StatusCode,
    },
};
use orchestrator::{Answered, Asks, Record, TimelineLine, closure_id};
use uuid::Uuid;

use crate::{
    ids::{Of, root_id, span_id, trace_id},
    part::Part,
    setup::Place,
    values::{number, text},
};

/// The most spans below one part, and events of it: a ghost that is looked at for weeks is told in part, and says so.
const MOST_SPANS: usize = 1_000;
const MOST_EVENTS: usize = 128;

/// `flags` of a span: sampled; it is known whether the parent is of another process, and it is not.
const OURS: u32 = 0x101;

/// `flags` of a link to a span of another process, beside those that were given with it.
const THEIRS: u32 = 0x300;

/// The states in which a closure waits without a call, with what they are called.
const WAITS: [(&str, &str); 4] = [
    ("accepted", "wait for quota"),
    ("scheduled", "wait for notBefore"),
    ("awaiting_confirmation", "wait for confirmation"),
    ("blocked", "wait for permission"),
];

/// The replies to calls after which nothing is wrong, whatever the status was.
const GOOD: [&str; 6] = ["saw", "accepted", "found", "none_found", "several_found", "open_elsewhere"];

/// The spans of a part of this closure's life, its own first. `place` is where its calls go.
///
/// What is told follows from the part, and from what of the record does not change once the part is over. No span begins
/// before the part's own or ends after it, and none ends before it begins.
pub fn spans(record: &Record, part: &Part<'_>, place: Option<&Place>) -> Vec<Span> {
    let mut telling = Telling::new(record, part, place);
    for line in part.lines {
        telling.hear(line);
    }
    telling.finish()
}

/// What the machine waits for at a line.
struct Open<'a, T> {
    what: T,
    line: &'a TimelineLine,
    at: i64,
}

struct Telling<'a> {
    record: &'a Record,
    part: &'a Part<'a>,
    place: Option<&'a Place>,
    begins: i64,
    /// The latest moment so far: a line that was written for an earlier one does not turn time back.
    now: i64,
    call: Option<Open<'a, &'a Asks>>,
    wait: Option<Open<'a, &'static str>>,
    below: Vec<Span>,
    left_out: u32,
    events: Vec<Event>,
    events_left_out: u32,
    confirmed_by: Option<String>,
}

impl<'a> Telling<'a> {
    fn new(record: &'a Record, part: &'a Part<'a>, place: Option<&'a Place>) -> Self {
        let first = part.before.or(part.lines.first()).map_or(0, |line| line.at.millis());
        let mut telling = Self {
            record,
            part,
            place,
            begins: first,
            now: first,
            call: None,
            wait: None,
            below: Vec::new(),
            left_out: 0,
            events: Vec::new(),
            events_left_out: 0,
            confirmed_by: None,
        };
        if let Some(before) = part.before {
            telling.begin(before);
        }
        telling
    }

    fn hear(&mut self, line: &'a TimelineLine) {
        self.now = self.now.max(line.at.millis());
        let entry = &line.entry;
        if let Some(answered) = &entry.answered {
            self.answer(line, answered);
        }
        let moved = self.call.as_ref().is_some_and(|call| call.line.entry.to != entry.to);
        if moved || entry.asks.is_some() || line.kind == "woke" {
            self.give_up_call(&line.kind);
        }
        if self.wait.as_ref().is_some_and(|wait| wait.line.entry.to != entry.to) {
            self.end_wait();
        }
        self.note(line);
        if line.sequence != self.part.last().sequence {
            self.begin(line);
        }
    }

    /// Begins what a line leads to.
    fn begin(&mut self, line: &'a TimelineLine) {
        let at = self.now;
        if let Some(asks) = &line.entry.asks {
            self.call = Some(Open { what: asks, line, at });
        }
        let waits = WAITS.iter().find(|(state, _)| *state == line.entry.to);
        if let (None, Some((_, name))) = (&self.wait, waits) {
            self.wait = Some(Open { what: *name, line, at });
        }
    }

    fn answer(&mut self, line: &TimelineLine, answered: &Answered) {
        let took = i64::try_from(answered.took_ms).unwrap_or(i64::MAX);
        let asked = self.call.take_if(|call| call.what.call == answered.call);
        let least = asked.as_ref().map_or(self.begins, |call| call.at);
        // A call whose answer is lost took as long as it was waited for.
        let begins = match took {
            0 => least,
            took => self.now.saturating_sub(took).max(least),
        };
        let (id, what) = match &asked {
            Some(call) => (self.id(Of::Call, call.line.sequence), Some(call.what)),
            None => (self.id(Of::Answer, line.sequence), None),
        };
        let mut span = self.call_span(id, what, &answered.request, answered.call, begins);
        span.attributes.push(text("closeout.call.reply", answered.reply.as_str()));
        if let Some(status) = answered.status {
            span.attributes.push(number("http.response.status_code", status));
        }
        if let Some(id) = &answered.correlation_id {
            span.attributes.push(text("genesys.correlation_id", id.as_str()));
        }
        if !GOOD.contains(&answered.reply.as_str()) {
            let error = answered.status.filter(|status| *status >= 400).map(|status| status.to_string());
            span.attributes.push(text("error.type", error.unwrap_or_else(|| answered.reply.clone())));
            span.status = Some(failed(String::new()));
        }
        self.put(span);
    }

    /// Ends a call that nobody waits for any more: its answer was overtaken, or never came.
    fn give_up_call(&mut self, by: &str) {
        let Some(Open { what, line, at }) = self.call.take() else { return };
        let id = self.id(Of::Call, line.sequence);
        let mut span = self.call_span(id, Some(what), &what.request, what.call, at);
        let lost = by == "woke";
        let reply = if lost { "lost" } else { "overtaken" };
        span.attributes.push(text("closeout.call.reply", reply));
        if lost {
            span.attributes.push(text("error.type", reply));
            span.status = Some(failed(String::new()));
        }
        self.put(span);
    }

    fn call_span(&self, id: [u8; 8], asks: Option<&Asks>, request: &str, call: u32, begins: i64) -> Span {
        let mut attributes =
            vec![text("closeout.call.request", request), number("closeout.call.number", call)];
        let mut name = request.to_owned();
        if let Some((method, template)) = asks.and_then(|asks| asks.http.split_once(' ')) {
            let template = template_of(template);
            name = format!("{method} {template}");
            attributes.push(text("http.request.method", method));
            attributes.push(text("url.template", template));
        }
        if let Some(Place { host, port }) = self.place {
            attributes.push(text("server.address", host.as_str()));
            attributes.push(number("server.port", *port));
        }
        Span { kind: SpanKind::Client.into(), attributes, ..self.span(id, name, begins) }
    }

    fn end_wait(&mut self) {
        let Some(Open { what, line, at }) = self.wait.take() else { return };
        let mut span = self.span(self.id(Of::Wait, line.sequence), what.to_owned(), at);
        span.attributes.push(text("closeout.state", line.entry.to.as_str()));
        if let Some(reason) = &line.entry.reason {
            span.attributes.push(text("closeout.reason", reason.as_str()));
        }
        self.put(span);
    }

    /// Notes what happened at a line, beside calls and waits.
    fn note(&mut self, line: &TimelineLine) {
        let entry = &line.entry;
        if let Some(heard) = &entry.heard {
            let attributes = vec![
                text("closeout.evidence.kind", heard.kind.as_str()),
                text("closeout.evidence.adapter", heard.adapter.as_str()),
                text("closeout.evidence.type", heard.event_type.as_str()),
                text("closeout.evidence.id", heard.event_id.as_str()),
                number("closeout.evidence.occurred_at_ms", heard.occurred_at),
            ];
            self.event("evidence".to_owned(), attributes);
        }
        if let Some(operator) = &entry.operator {
            self.event("operator".to_owned(), vec![text("closeout.act", operator.act.as_str())]);
        }
        if line.kind == "missed" {
            self.event("events may be lost".to_owned(), Vec::new());
        }
        for announced in &entry.announces {
            if announced.ends_with(".confirmed.v1") {
                let heard = entry.heard.as_ref().map(|heard| heard.kind.clone());
                let acted = entry.operator.as_ref().map(|_| "operator".to_owned());
                self.confirmed_by = heard.or(acted).or_else(|| Some("read-back".to_owned()));
            }
            if !announced.ends_with(".accepted.v1") {
                self.event(announced.clone(), Vec::new());
            }
        }
    }

    fn event(&mut self, name: String, attributes: Vec<KeyValue>) {
        if self.events.len() == MOST_EVENTS {
            self.events_left_out += 1;
            return;
        }
        let time_unix_nano = nanos(self.now);
        self.events.push(Event { time_unix_nano, name, attributes, ..Event::default() });
    }

    fn finish(mut self) -> Vec<Span> {
        self.give_up_call("end");
        self.end_wait();
        let part = self.own_span();
        let mut all = vec![part];
        all.append(&mut self.below);
        all
    }

    /// The span of the part itself.
    fn own_span(&mut self) -> Span {
        let (record, last) = (self.record, self.part.last());
        let mut attributes = vec![
            text("closeout.closure.id", closure_id(record.key)),
            text("closeout.organisation", record.organisation.as_str()),
            text("closeout.source", record.source.as_ref()),
            text("closeout.state", last.entry.to.as_str()),
        ];
        let conversation =
            record.closure.conversation.map(|id| text("closeout.conversation.id", id.to_string()));
        attributes.extend(conversation);
        attributes.extend(last.entry.reason.as_deref().map(|reason| text("closeout.reason", reason)));
        attributes.extend(self.confirmed_by.take().map(|by| text("closeout.confirmed_by", by)));
        let left_out = Some(self.left_out).filter(|left_out| *left_out > 0);
        attributes.extend(left_out.map(|left_out| number("closeout.spans_left_out", left_out)));
        let status = match last.entry.to.as_str() {
            state @ ("ghost" | "failed") => {
                let reason = last.entry.reason.as_deref().unwrap_or("no reason is known");
                Some(failed(format!("{state}: {reason}")))
            }
            _ => None,
        };
        let id = self.id(Of::Part, self.part.before.map_or(0, |before| before.sequence));
        let (name, parent, links) = match self.part.before {
            None => ("close session", Vec::new(), self.links()),
            Some(_) => ("ghost", root_id(record.key).to_vec(), Vec::new()),
        };
        let events = std::mem::take(&mut self.events);
        Span {
            parent_span_id: parent,
            attributes,
            events,
            dropped_events_count: self.events_left_out,
            links,
            status,
            ..self.span(id, name.to_owned(), self.begins)
        }
    }

    /// What the closure comes from: the producer's span, and the closure before it whose guest came back.
    fn links(&self) -> Vec<Link> {
        let link = |trace_id: [u8; 16], span_id: [u8; 8], flags: u32, of: &str| Link {
            trace_id: trace_id.to_vec(),
            span_id: span_id.to_vec(),
            attributes: vec![text("closeout.link", of)],
            flags,
            ..Link::default()
        };
        let producer = self.record.said.as_ref().and_then(|said| said.trace);
        let producer = producer.map(|trace| {
            link(trace.trace_id(), trace.span_id(), THEIRS | u32::from(trace.flags()), "producer")
        });
        let follows =
            self.record.follows.map(|before| link(trace_id(before), root_id(before), THEIRS | 1, "follows"));
        producer.into_iter().chain(follows).collect()
    }

    fn id(&self, of: Of, sequence: u64) -> [u8; 8] {
        span_id(self.record.key, of, sequence)
    }

    /// A span of this part that ends now.
    fn span(&self, id: [u8; 8], name: String, begins: i64) -> Span {
        let own = self.id(Of::Part, self.part.before.map_or(0, |before| before.sequence));
        Span {
            trace_id: trace_id(self.record.key).to_vec(),
            span_id: id.to_vec(),
            parent_span_id: own.to_vec(),
            flags: OURS,
            name,
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanos(begins),
            end_time_unix_nano: nanos(self.now),
            ..Span::default()
        }
    }

    fn put(&mut self, span: Span) {
        if self.below.len() == MOST_SPANS {
            self.left_out += 1;
        } else {
            self.below.push(span);
        }
    }
}

fn failed(message: String) -> Status {
    Status { message, code: StatusCode::Error.into() }
}

fn nanos(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or_default().saturating_mul(1_000_000)
}

/// The path of a call with its ids taken out, so that calls of the same kind have the same name.
fn template_of(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segment = |segment| if Uuid::try_parse(segment).is_ok() { "{id}" } else { segment };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}
