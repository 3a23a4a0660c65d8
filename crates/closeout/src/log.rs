//! The log: to stderr, as text or as JSON lines.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Form {
    /// One line of text each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// Crates that write out whole messages and log-ins at their finest: bodies and secrets are never logged, whatever `RUST_LOG` says.
const TALKATIVE: [&str; 6] = ["async_nats", "lapin", "amqp", "tungstenite", "tokio_tungstenite", "rdkafka"];

fn may_be_logged(line: &Metadata<'_>) -> bool {
    *line.level() < Level::TRACE || !TALKATIVE.iter().any(|name| line.target().starts_with(name))
}

/// Starts the log. `RUST_LOG` says what is written; without it, `usual` does.
pub fn start(form: Form, usual: &str, colour: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let started = match form {
        Form::Json => builder.json().flatten_event(true).finish().with(filter_fn(may_be_logged)).try_init(),
        Form::Text => {
            let text = builder.with_ansi(colour && std::io::stderr().is_terminal()).with_target(false);
            text.finish().with(filter_fn(may_be_logged)).try_init()
        }
    };
    // A log that is there already serves as well: a service in the process of a test.
    drop(started);
}
