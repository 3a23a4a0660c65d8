//! What RabbitMQ alone has, against a real node that `tests/amqp/run` starts.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod deaths;
mod headers;
mod holding;
mod place;
mod proxy;
mod settings;
mod taker;
