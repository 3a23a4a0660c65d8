//! Brings commands out of a topic of Kafka, as a member of a consumer group.
//!
//! ```text
//!                      ┌─ lane of partition 0: 41 in hand, 42 done, 43 waiting ─┐
//!  poll (always) ─► ───┼─ lane of partition 1: on hold until 12:00:05           ├─► receive
//!                      └─ …                                                     ┘
//!  settle ─► done; of each lane the first offset that is not done ─► commit ─► the broker confirms ─► settled
//! ```
//!
//! - Offsets are committed after the messages were settled, and in order: never past a message that is not settled.
//! - What is for later holds its partition. What stands behind it waits in its lane, and comes with it.
//! - What could not be committed, or was in hand too long, comes again.
//! - A task of its own polls, so the membership in the group survives a long time without `receive`. A lane that is full, and a
//!   source that rests, pause their partitions.
//! - Partitions are assigned cooperatively: a member that comes or goes leaves the others their partitions. What a partition that
//!   is taken away had in hand comes again to whoever gets it.
//! - The id of a message is its header `ce_id`, else `idempotency-key`. Its place is topic, partition and offset.
//! - Kafka counts no deliveries: they are counted here, from the assignment of the partition on.
//! - A user proves who it is by SASL. TLS, and with it SCRAM, are there with the feature `tls` alone: [`SPEAKS_TLS`].

mod check;
mod consumer;
mod fault;
mod lanes;
mod look;
mod message;
mod security;
mod setup;
mod source;

pub use security::{Login, Mechanism, SPEAKS_TLS};
pub use setup::{OpenError, Setup};
pub use source::KafkaSource;
