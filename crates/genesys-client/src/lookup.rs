//! Finding open messaging conversations by what another system knows of the guest.
//!
//! Both ways are reads that may be repeated at any time, and both lag behind what really is: what they find is a hint to
//! read the conversation, never a proof of anything. A lookup asks for several pages. Each is a request of its own, with its
//! own permit and its own time-out; the whole ends at [`LookupConfig::at_most`], and is never cut in the middle of a request.

use std::time::Duration;

use bytes::Bytes;
use genesys_types::{ConversationId, QueueId, Time};
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::{
    Answer, Class, Client, Fault, FaultKind, Permit, Requests,
    call::Reply,
    client::answer,
    found::{self, Page},
};

pub(crate) const ANALYTICS: &str = "api/v2/analytics/conversations/details/query";
const ATTRIBUTES: &str = "api/v2/conversations/participants/attributes/search";

/// What a role needs for them (API.md §1), told where a 403 does not.
pub(crate) const ANALYTICS_PERMISSION: &str = "analytics:conversationDetail:view";
const ATTRIBUTES_PERMISSION: &str = "conversation:participant:attributesview";

/// The rows of one page of analytics: the documented default. A record can have tens of kilobytes, and an answer 1 MiB.
const PAGE_SIZE: usize = 25;

/// The most pages of analytics for one lookup. The filter leaves few rows; what fills four pages is no one guest.
const MOST_RECORD_PAGES: usize = 4;

/// The most pages of the search for one lookup. It cannot filter by attribute, so every conversation of the time looked
/// at is a row; pages of about 50 rows are reported.
const MOST_SEARCH_PAGES: usize = 40;

/// The longest range of one search. Reported by others: longer ones are refused.
const LONGEST_RANGE: Duration = Duration::from_secs(24 * 3_600);

/// How far beyond now is looked, as the clocks of two machines differ; nothing lies there otherwise.
const AHEAD: Duration = Duration::from_secs(3_600);

/// So many conversations that fit are told at most: two are too many already.
const MOST_FOUND: usize = 20;

/// So many candidates are read one by one. More of them nobody takes for a lag.
const MOST_READ: usize = 5;

/// How external ids are looked up in an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupConfig {
    /// Where analytics keep the external id.
    pub external_id: ExternalIdDimension,
    /// How long ago a conversation may have begun to be found. Default 72 h: the life of a guest's session.
    pub within: Duration,
    /// After how long no further page is asked for. The one under way may take the request time-out beyond it. Default
    /// 5 min: 40 pages of several seconds each, or a quota that others use up meanwhile.
    pub at_most: Duration,
}

impl Default for LookupConfig {
    fn default() -> Self {
        Self {
            external_id: ExternalIdDimension::default(),
            within: Duration::from_secs(72 * 3_600),
            at_most: Duration::from_secs(300),
        }
    }
}

/// A dimension of the analytics details query that can hold an external id. All are documented dimensions; which of them
/// an organisation's guests are known by is its own affair, and none was tried on a real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExternalIdDimension {
    /// `externalTag` of the conversation.
    #[default]
    ExternalTag,
    /// `externalContactId` of a participant: the id of a contact within Genesys.
    ExternalContactId,
    /// `journeyCustomerId` of a session: what the page told of the customer.
    JourneyCustomerId,
    /// `addressFrom` of a session: with Open Messaging, the sender's id.
    AddressFrom,
}

impl ExternalIdDimension {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ExternalTag, Self::ExternalContactId, Self::JourneyCustomerId, Self::AddressFrom];

    /// Its name in queries, records and the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExternalTag => "externalTag",
            Self::ExternalContactId => "externalContactId",
            Self::JourneyCustomerId => "journeyCustomerId",
            Self::AddressFrom => "addressFrom",
        }
    }
}

/// An open conversation that fits, as it was shown some time ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The conversation.
    pub conversation: ConversationId,
    /// When it began.
    pub started_at: Option<Time>,
    /// The queue that it was in last.
    pub queue: Option<QueueId>,
}

impl Client {
    /// Finds open messaging conversations by an external id: `POST /api/v2/analytics/conversations/details/query`, with
    /// the dimension of [`LookupConfig`]. A record counts only where it shows the id itself, letter by letter, so that a
    /// filter that is not honoured finds nothing instead of everything. Of many, the first 20 are told; a few are read, and
    /// those that have ended are left out.
    ///
    /// # Errors
    /// As every operation; a 403 names the missing permission. [`FaultKind::Rejected`] when so many records come that it
    /// stays open what fits.
    pub async fn find_by_external_id(&self, permit: Permit, id: &str) -> Result<Answer<Vec<Hit>>, Fault> {
        let lookup = self.lookup();
        let (from, until) = range(lookup.within);
        let interval = format!("{from:.3}/{until:.3}");
        let mut asker = Asker::new(self, "find_by_external_id", ANALYTICS, ANALYTICS_PERMISSION, permit);
        let mut all = Found::default();
        let mut seen = 0;
        for number in 1..=MOST_RECORD_PAGES {
            let query = details_query(lookup.external_id, id, &interval, number);
            let (reply, page) =
                asker.ask(&query, |body| found::records(body, lookup.external_id, id)).await?;
            all.add(page.hits);
            seen += page.rows;
            let more_is_promised = page.promised.is_some_and(|promised| seen < promised);
            if more_is_promised && page.rows == 0 && !all.are_several() {
                return Err(reply
                    .unreadable("fewer records came than were promised, and one that fits may be missing"));
            }
            let ends_here = page.rows == 0 || (page.rows < PAGE_SIZE && !more_is_promised);
            let is_last = number == MOST_RECORD_PAGES && all.are_several();
            if ends_here || all.suffices() || is_last {
                return Ok(answer(reply, asker.still_open(all.0).await));
            }
        }
        Err(too_many(MOST_RECORD_PAGES))
    }

    /// Finds open messaging conversations by an attribute of a participant:
    /// `POST /api/v2/conversations/participants/attributes/search`. The search is asked for everything that began in the
    /// time of [`LookupConfig`], a day at a time and the latest first, and the attribute is compared here, letter by
    /// letter: that attributes themselves can be searched for is not documented, and reported to be refused. Of many,
    /// the first 20 are told; a few are read, and those that have ended are left out.
    ///
    /// # Errors
    /// As every operation; a 403 names the missing permission. [`FaultKind::Rejected`] when there are more conversations
    /// than can be looked through.
    pub async fn find_by_attribute(
        &self,
        permit: Permit,
        name: &str,
        value: &str,
    ) -> Result<Answer<Vec<Hit>>, Fault> {
        let (from, until) = range(self.lookup().within);
        let mut asker = Asker::new(self, "find_by_attribute", ATTRIBUTES, ATTRIBUTES_PERMISSION, permit);
        let mut all = Found::default();
        let mut last = None;
        let mut pages = 0;
        'days: for (from, until) in days(from, until) {
            let mut cursor = None;
            loop {
                match pages {
                    MOST_SEARCH_PAGES if all.are_several() => break 'days,
                    MOST_SEARCH_PAGES => return Err(too_many(MOST_SEARCH_PAGES)),
                    _ => pages += 1,
                }
                let query = search(from, until, cursor.as_deref());
                let (reply, page) = asker.ask(&query, |body| found::participants(body, name, value)).await?;
                all.add(page.hits);
                last = Some(reply);
                cursor = page.cursor;
                if all.suffices() {
                    break 'days;
                }
                if cursor.is_none() {
                    break;
                }
            }
        }
        let reply = last.ok_or_else(|| Fault::local(FaultKind::Rejected, "there is no time to look at"))?;
        Ok(answer(reply, asker.still_open(all.0).await))
    }
}

/// Asks for one page after the other.
struct Asker<'a> {
    client: &'a Client,
    operation: &'static str,
    path: &'static str,
    permission: &'static str,
    class: Class,
    permit: Option<Permit>,
    requests: Requests,
    /// From here on nothing more is asked.
    until: Instant,
}

impl<'a> Asker<'a> {
    fn new(
        client: &'a Client,
        operation: &'static str,
        path: &'static str,
        permission: &'static str,
        permit: Permit,
    ) -> Self {
        let until = Instant::now() + client.lookup().at_most;
        let (class, requests) = (permit.class(), permit.requests());
        Self { client, operation, path, permission, class, permit: Some(permit), requests, until }
    }

    /// Asks for one page. The first is asked with the permit that was given; for each further one a permit is waited for.
    async fn ask(
        &mut self,
        query: &Value,
        read: impl FnOnce(&[u8]) -> Result<Page, found::Unreadable>,
    ) -> Result<(Reply, Page), Fault> {
        let permit = match self.permit.take() {
            Some(permit) => permit,
            None => self.further().await.ok_or_else(late)?,
        };
        let body = Some(Bytes::from(query.to_string()));
        let asked = self.client.run(permit, self.operation, Method::POST, self.path.to_owned(), body).await;
        let reply = asked.map_err(|fault| self.naming_the_permission(fault))?;
        match read(&reply.body) {
            Ok(page) => Ok((reply, page)),
            Err(unreadable) => Err(reply.unreadable(unreadable.0)),
        }
    }

    /// Waits for a further permit; `None` when the time is over.
    async fn further(&self) -> Option<Permit> {
        if Instant::now() >= self.until {
            return None;
        }
        let taken = timeout_at(self.until, self.client.quota().take(self.class)).await.ok()?;
        Some(taken.counted_with(&self.requests))
    }

    /// Of several that fit, leaves out those that a read shows ended: a session that was closed a moment ago, and is shown
    /// open for a while, makes no other one ambiguous. Where all have ended the latest stays, as one alone would. What
    /// there is no time to read counts as open.
    async fn still_open(&self, hits: Vec<Hit>) -> Vec<Hit> {
        if !(2..=MOST_READ).contains(&hits.len()) {
            return hits;
        }
        let mut open = Vec::with_capacity(hits.len());
        for hit in &hits {
            if !self.is_none(hit).await {
                open.push(*hit);
            }
        }
        let latest = hits.into_iter().max_by_key(|hit| hit.started_at);
        if open.is_empty() { latest.into_iter().collect() } else { open }
    }

    /// Whether a read shows that it has ended, or is none of messaging: attributes are searched for in all media.
    async fn is_none(&self, hit: &Hit) -> bool {
        let Some(permit) = self.further().await else { return false };
        match self.client.conversation(permit, hit.conversation).await {
            Ok(answer) => answer.value.ended_at.is_some() || answer.value.legs.is_empty(),
            Err(fault) => fault.kind == FaultKind::NotFound,
        }
    }

    fn naming_the_permission(&self, mut fault: Fault) -> Fault {
        if let FaultKind::Forbidden { missing: missing @ None } = &mut fault.kind {
            *missing = Some(self.permission.into());
        }
        fault
    }
}

/// What was found on all pages, each conversation once: pages shift while data flows in. Of very many not all.
#[derive(Default)]
pub(crate) struct Found(pub(crate) Vec<Hit>);

impl Found {
    pub(crate) fn add(&mut self, hits: Vec<Hit>) {
        for hit in hits {
            if !self.suffices() && !self.0.iter().any(|known| known.conversation == hit.conversation) {
                self.0.push(hit);
            }
        }
    }

    /// Whether more than one was found: what else there is changes nothing about that.
    fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    fn suffices(&self) -> bool {
        self.0.len() >= MOST_FOUND
    }
}

fn late() -> Fault {
    let message = "the lookup did not end in time, and it stays open what fits; make lookup.within shorter";
    Fault::local(FaultKind::OutcomeUnknown, message)
}

fn too_many(pages: usize) -> Fault {
    let message = format!(
        "more than {pages} pages of conversations came, and it stays open which of them fit; make lookup.within shorter"
    );
    Fault::local(FaultKind::Rejected, message)
}

/// From when to when conversations that are looked for began.
pub(crate) fn range(within: Duration) -> (jiff::Timestamp, jiff::Timestamp) {
    let now = jiff::Timestamp::now();
    (now.checked_sub(within).unwrap_or(now), now.checked_add(AHEAD).unwrap_or(now))
}

/// The range in parts of a day at most, the latest first.
fn days(
    from: jiff::Timestamp,
    until: jiff::Timestamp,
) -> impl Iterator<Item = (jiff::Timestamp, jiff::Timestamp)> {
    let mut end = until;
    std::iter::from_fn(move || {
        let part =
            (end > from).then(|| (end.checked_sub(LONGEST_RANGE).map_or(from, |at| at.max(from)), end));
        end = part.map_or(end, |(start, _)| start);
        part
    })
}

pub(crate) fn matches(dimension: &str, value: &str) -> Value {
    json!({ "type": "dimension", "dimension": dimension, "operator": "matches", "value": value })
}

/// `ConversationQuery`: open conversations with a messaging session, and with the external id where the dimension keeps
/// it.
fn details_query(dimension: ExternalIdDimension, id: &str, interval: &str, page: usize) -> Value {
    let mut of_conversation =
        vec![json!({ "type": "dimension", "dimension": "conversationEnd", "operator": "notExists" })];
    let mut of_segment = vec![matches("mediaType", "message")];
    match dimension {
        ExternalIdDimension::ExternalTag => of_conversation.push(matches(dimension.name(), id)),
        ExternalIdDimension::ExternalContactId
        | ExternalIdDimension::JourneyCustomerId
        | ExternalIdDimension::AddressFrom => of_segment.push(matches(dimension.name(), id)),
    }
    json!({
        "interval": interval,
        "order": "asc",
        "orderBy": "conversationStart",
        "paging": { "pageSize": PAGE_SIZE, "pageNumber": page },
        "conversationFilters": [{ "type": "and", "predicates": of_conversation }],
        "segmentFilters": [{ "type": "and", "predicates": of_segment }],
    })
}

/// `ConversationParticipantSearchRequest`: everything that began in a range.
fn search(from: jiff::Timestamp, until: jiff::Timestamp, cursor: Option<&str>) -> Value {
    let mut search = json!({
        "query": [{
            "type": "DATE_RANGE",
            "fields": ["startTime"],
            "startValue": format!("{from:.3}"),
            "endValue": format!("{until:.3}"),
        }],
    });
    if let Some(cursor) = cursor {
        search["cursor"] = Value::from(cursor);
    }
    search
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_into_days_without_a_gap() {
        let until: jiff::Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let from = until - Duration::from_secs(60 * 3_600);
        let parts: Vec<_> = days(from, until).collect();
        assert_eq!(parts.len(), 3);
        assert_eq!((parts[0].1, parts[2].0), (until, from));
        assert!(parts.windows(2).all(|pair| pair[0].0 == pair[1].1));
        assert!(parts.iter().all(|(start, end)| end.duration_since(*start).as_secs() <= 24 * 3_600));
        assert_eq!(days(until, until).count(), 0);
    }

    #[test]
    fn a_conversation_is_found_once_however_often_it_is_shown() {
        let hit = |number| Hit {
            conversation: ConversationId::from_uuid(uuid::Uuid::from_u128(number)),
            started_at: None,
            queue: None,
        };
        let mut all = Found::default();
        all.add(vec![hit(1), hit(2)]);
        all.add(vec![hit(2), hit(3)]);
        assert_eq!(all.0, [hit(1), hit(2), hit(3)]);
        all.add((0..100).map(hit).collect());
        assert_eq!(all.0.len(), MOST_FOUND);
    }
}
