//! What RabbitMQ alone has, against a real node that `tests/amqp/run` starts.

mod place;
