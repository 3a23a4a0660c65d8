//! What operators did: one row for each act.

use bytes::Bytes;
use uuid::Uuid;

use crate::model::Millis;

/// An operator's act: the columns that are searched, and the whole of it as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// The key: a UUID of version 7, so that keys sort by the time of the act.
    pub key: Uuid,
    /// The organisation that it was about; empty where it was about none, or none was found.
    pub organisation: String,
    /// Who acted: the name of a key.
    pub actor: String,
    /// What was done, for example `closure.retry`.
    pub action: String,
    /// What it was done to, for example the id of a closure.
    pub subject: String,
    /// When it was asked for.
    pub at: Millis,
    /// All of it, in the stored form of whoever keeps it.
    pub body: Bytes,
}

/// Which acts a listing is about. Empty fields do not restrict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// One of these organisations; empty: any.
    pub organisations: Vec<String>,
    /// One of these actors; empty: any.
    pub actors: Vec<String>,
    /// One of these actions; empty: any.
    pub actions: Vec<String>,
    /// One of these subjects; empty: any.
    pub subjects: Vec<String>,
    /// Asked for at or after this time.
    pub since: Option<Millis>,
    /// Asked for before this time.
    pub until: Option<Millis>,
}

impl AuditFilter {
    /// Whether an act is asked for.
    pub fn matches(&self, row: &AuditRow) -> bool {
        let one_of = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        one_of(&self.organisations, &row.organisation)
            && one_of(&self.actors, &row.actor)
            && one_of(&self.actions, &row.action)
            && one_of(&self.subjects, &row.subject)
            && self.since.is_none_or(|since| row.at >= since)
            && self.until.is_none_or(|until| row.at < until)
    }
}
