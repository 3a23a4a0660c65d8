//! The `[[scan]]` tables: looking for stuck sessions at intervals.

use batches::{Criteria, Schedule};
use genesys_types::{Organisation, QueueId};

use super::{
    callbacks::organisation,
    layers::{Reader, numbers},
};

/// The shortest interval: a scan asks for pages and reads conversations with the quota that closures need.
const SHORTEST_INTERVAL: i64 = 15 * 60_000;

/// What `then` must say for that which is found to be closed without anybody's look.
const CLOSE: &str = "close_what_is_found";

/// Reads every table.
pub(super) fn read(reader: &mut Reader<'_>, known: &[Organisation]) -> Vec<Schedule> {
    let mut schedules: Vec<Schedule> = Vec::new();
    for number in numbers(&reader.layers.settings, "scan") {
        let Some(schedule) = schedule(reader, number, known) else { continue };
        let same =
            |other: &Schedule| other.name == schedule.name && other.organisation == schedule.organisation;
        if schedules.iter().any(same) {
            reader.refuse(
                &format!("scan.{number}.name"),
                format_args!("{:?} stands there twice", schedule.name),
            );
        }
        schedules.push(schedule);
    }
    schedules
}

fn schedule(reader: &mut Reader<'_>, number: usize, known: &[Organisation]) -> Option<Schedule> {
    let path = |key: &str| format!("scan.{number}.{key}");
    let name = reader.text(&path("name"));
    if name.is_none() {
        reader.missing(&path("name"), "is missing: the list of batches calls the scan by it");
    }
    let organisation = organisation(reader, &path("organisation"), known);
    let every = millis(reader, &path("every"))?;
    if every < SHORTEST_INTERVAL {
        reader.refuse(&path("every"), "is too short; a scan is made every 15m at most");
    }
    let queue = reader.parsed(&path("queue"), |text| {
        text.parse::<QueueId>().map_err(|error| format!("cannot be used: {error}"))
    });
    let criteria = Criteria {
        older_than: millis(reader, &path("older_than"))?,
        within: millis(reader, &path("within"))?,
        queue: queue.map(QueueId::uuid),
        message_type: reader.text(&path("message_type")).map(|text| text.to_ascii_lowercase()),
        limit: u32::try_from(reader.count(&path("limit"))).unwrap_or(u32::MAX),
    };
    if let Some(flaw) = criteria.flaw() {
        reader.refuse(&path("older_than"), format_args!("and what stands with it cannot be used: {flaw}"));
    }
    let closes = reader.choice(&path("then"))? == CLOSE;
    Some(Schedule { name: name?, organisation: organisation?, every, criteria, closes })
}

fn millis(reader: &mut Reader<'_>, path: &str) -> Option<i64> {
    let duration = reader.duration(path)?;
    Some(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}
