//! What a source in Amazon SQS needs.

use evidence_sqs::Place;
use queue_sqs::Setup;

use super::super::{layers::Reader, sqs};

/// The kind.
pub(super) const KIND: &str = "sqs";

/// Reads the table of this number. Where a queue is, is said as for evidence.
pub(super) fn read(reader: &mut Reader<'_>, number: usize) -> Option<Setup> {
    let path = format!("source.{number}.visibility_timeout");
    let visibility_timeout = match reader.layers.setting(&path) {
        Some(_) => Some(reader.duration(&path)?),
        None => None,
    };
    let Place { queue_url, region, endpoint } = sqs::place(reader, &format!("source.{number}"))?;
    Some(Setup { queue_url, region, endpoint, visibility_timeout })
}
