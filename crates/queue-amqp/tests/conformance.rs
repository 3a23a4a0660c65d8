//! The suite of the port, against a real RabbitMQ that `tests/amqp/run` starts.

#[path = "broker/place.rs"]
mod place;

use place::RabbitMq;

mod classic {
    use super::{RabbitMq, place::Kind};

    queue::conformance_tests!(RabbitMq::empty(Kind::Classic).await);
}

mod quorum {
    use super::{RabbitMq, place::Kind};

    queue::conformance_tests!(RabbitMq::empty(Kind::Quorum).await);
}
