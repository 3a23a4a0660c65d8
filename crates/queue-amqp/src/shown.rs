//! The settings of a queue as RabbitMQ shows them over AMQP, and which of them are unsafe for commands: pure.
//!
//! AMQP has no request for the settings of a queue. Whoever declares one that is there with other settings is refused with the
//! name of the first that differs, and with what it is.

use std::collections::BTreeMap;

use queue::Warning;

/// Settings of a queue, as far as they were shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    pub(crate) flags: BTreeMap<String, bool>,
    pub(crate) arguments: BTreeMap<String, Value>,
    /// Nothing was shown.
    is_silent: bool,
}

/// The value of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Whole(i64),
    Flag(bool),
}

/// A difference that a refusal names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    /// A flag, as it is.
    Flag(String, bool),
    /// An argument, as it is; nothing where the queue has none of this name.
    Argument(String, Option<Value>),
}

/// Reads a refusal: `… inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received none but current is the value '10' of
/// type 'signedint'`. Nothing where it says something else.
pub(crate) fn difference(refusal: &str) -> Option<Difference> {
    let (_, rest) = refusal.split_once("inequivalent arg '")?;
    let (name, rest) = rest.split_once('\'')?;
    // The name of the queue stands in between, and may hold anything; what counts stands last.
    let (_, current) = rest.rsplit_once("but current is ")?;
    let name = name.to_owned();
    // Flags are said so, and arguments of which both have a text.
    if let Some(value) = quoted(current) {
        return Some(if name.starts_with("x-") {
            Difference::Argument(name, Some(Value::Text(value.to_owned())))
        } else {
            Difference::Flag(name, value.parse().ok()?)
        });
    }
    if current.starts_with("none") {
        return Some(Difference::Argument(name, None));
    }
    let (value, kind) = current.strip_prefix("the value ")?.rsplit_once(" of type ")?;
    let (value, kind) = (quoted(value)?, quoted(kind)?);
    let value = match kind {
        "longstr" => Value::Text(value.to_owned()),
        "bool" => Value::Flag(value.parse().ok()?),
        _ => Value::Whole(value.parse().ok()?),
    };
    Some(Difference::Argument(name, Some(value)))
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.trim_end().strip_suffix('\'')
}

impl Shown {
    /// What is known where the broker shows nothing: no warning follows from it.
    pub(crate) fn silent() -> Self {
        Self { is_silent: true, ..Self::default() }
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.flags.get(name).copied()
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.arguments.get(name)? {
            Value::Text(text) => Some(text),
            Value::Whole(_) | Value::Flag(_) => None,
        }
    }

    fn whole(&self, name: &str) -> Option<i64> {
        match self.arguments.get(name)? {
            Value::Whole(number) => Some(*number),
            Value::Text(_) | Value::Flag(_) => None,
        }
    }

    /// What is unsafe for commands. What was not shown is not warned of.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        [
            self.durability(),
            self.lifetime(),
            self.kind(),
            self.length(),
            self.time_to_live(),
            self.dead_letters(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn durability(&self) -> Option<Warning> {
        (self.flag("durable") == Some(false)).then(|| Warning {
            setting: "durable",
            detail:
                "The queue is not durable: it is gone with all its commands when the broker starts again."
                    .to_owned(),
            fix: "declare the queue anew with durable = true".to_owned(),
        })
    }

    fn lifetime(&self) -> Option<Warning> {
        if self.flag("auto_delete") == Some(true) {
            let detail = "The queue is deleted with all its commands as soon as its last consumer goes away, which is at \
                          every restart and every pause.";
            let fix = "declare the queue anew with auto-delete = false";
            return Some(Warning { setting: "auto-delete", detail: detail.to_owned(), fix: fix.to_owned() });
        }
        self.whole("x-expires").map(|millis| Warning {
            setting: "x-expires",
            detail: format!(
                "The queue is deleted with all its commands when nobody used it for {millis} ms."
            ),
            fix: "declare the queue anew without x-expires".to_owned(),
        })
    }

    fn kind(&self) -> Option<Warning> {
        (self.text("x-queue-type") == Some("stream")).then(|| Warning {
            setting: "x-queue-type",
            detail: "The queue is a stream, which keeps what was taken and gives it out again.".to_owned(),
            fix: "use a quorum queue, or a classic one".to_owned(),
        })
    }

    /// Without x-overflow, the oldest are dropped.
    fn length(&self) -> Option<Warning> {
        let refuses = self.text("x-overflow").is_some_and(|overflow| overflow.starts_with("reject-publish"));
        if refuses {
            return None;
        }
        let limits = [("x-max-length", "commands"), ("x-max-length-bytes", "bytes")];
        limits.into_iter().find_map(|(setting, unit)| {
            let most = self.whole(setting)?;
            Some(Warning {
                setting,
                detail: format!(
                    "The oldest commands are dropped when the queue has more than {most} {unit}."
                ),
                fix: "set x-overflow to reject-publish, so that producers are refused instead".to_owned(),
            })
        })
    }

    fn time_to_live(&self) -> Option<Warning> {
        self.whole("x-message-ttl").map(|millis| Warning {
            setting: "x-message-ttl",
            detail: format!(
                "Commands that wait for more than {millis} ms leave the queue unread, for example while the service is paused."
            ),
            fix: "declare the queue anew without x-message-ttl; notAfter in a command says until when it is wanted".to_owned(),
        })
    }

    fn dead_letters(&self) -> Option<Warning> {
        if self.is_silent || self.arguments.contains_key("x-dead-letter-exchange") {
            return None;
        }
        let detail = if self.text("x-queue-type") == Some("quorum") {
            "The queue has no dead-letter exchange of its own: a command that was given out more often than the delivery limit \
             (20 from RabbitMQ 4.0 on) is dropped by the broker. A policy may set one, which AMQP does not show."
        } else {
            "The queue has no dead-letter exchange of its own: what cannot be taken is kept by this service alone, and what the \
             broker drops is gone. A policy may set one, which AMQP does not show."
        };
        Some(Warning {
            setting: "x-dead-letter-exchange",
            detail: detail.to_owned(),
            fix: "give the queue a dead-letter exchange with a durable queue bound to it".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(what: &str) -> String {
        format!("PRECONDITION_FAILED - inequivalent arg {what}")
    }

    #[test]
    fn refusals_of_the_broker_are_read() {
        let argument = |name: &str, value| Some(Difference::Argument(name.to_owned(), value));
        for (said, expected) in [
            (
                "'durable' for queue 'it's' in vhost '/': received 'true' but current is 'false'",
                Some(Difference::Flag("durable".to_owned(), false)),
            ),
            (
                "'x-dead-letter-exchange' for queue 'q' in vhost '/': received none but current is the value 'dead' of type 'longstr'",
                argument("x-dead-letter-exchange", Some(Value::Text("dead".to_owned()))),
            ),
            (
                "'x-max-length' for queue 'q' in vhost '/': received none but current is the value '10' of type 'signedint'",
                argument("x-max-length", Some(Value::Whole(10))),
            ),
            (
                "'x-single-active-consumer' for queue 'q' in vhost '/': received none but current is the value 'true' of type 'bool'",
                argument("x-single-active-consumer", Some(Value::Flag(true))),
            ),
            (
                "'x-queue-type' for queue 'q' in vhost '/': received the value 'none' of type 'longstr' but current is none",
                argument("x-queue-type", None),
            ),
            (
                "'x-queue-type' for queue 'q' in vhost '/': received 'none' but current is 'quorum'",
                argument("x-queue-type", Some(Value::Text("quorum".to_owned()))),
            ),
            ("'x-max-length' for queue 'q'", None),
            ("'durable' for queue 'q': received 'true' but current is 'perhaps'", None),
        ] {
            assert_eq!(difference(&refusal(said)), expected, "{said}");
        }
        assert_eq!(difference("RESOURCE_LOCKED - cannot obtain exclusive access"), None);
    }

    fn shown(flags: &[(&str, bool)], arguments: &[(&str, Value)]) -> Vec<&'static str> {
        let shown = Shown {
            flags: flags.iter().map(|(name, flag)| ((*name).to_owned(), *flag)).collect(),
            arguments: arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            is_silent: false,
        };
        shown.warnings().into_iter().map(|warning| warning.setting).collect()
    }

    #[test]
    fn what_is_not_shown_is_not_warned_of() {
        assert_eq!(Shown::silent().warnings(), []);
    }

    /// Flags and arguments of a queue, and the settings that are warned of.
    type Case<'a> = (&'a [(&'a str, bool)], Vec<(&'a str, Value)>, &'a [&'a str]);

    #[test]
    fn every_unsafe_setting_is_warned_of() {
        let dead = ("x-dead-letter-exchange", Value::Text("dead".to_owned()));
        let text = |text: &str| Value::Text(text.to_owned());
        let with = |more: &[(&'static str, Value)]| [&[dead.clone()][..], more].concat();
        let safe = [("durable", true), ("auto_delete", false)];
        let table: [Case<'_>; 12] = [
            (&safe, with(&[]), &[]),
            (&safe, vec![], &["x-dead-letter-exchange"]),
            (&safe, vec![("x-queue-type", text("quorum"))], &["x-dead-letter-exchange"]),
            (&[("durable", false)], with(&[]), &["durable"]),
            (&[("auto_delete", true)], with(&[]), &["auto-delete"]),
            (&safe, with(&[("x-expires", Value::Whole(1))]), &["x-expires"]),
            (&safe, with(&[("x-max-length", Value::Whole(1))]), &["x-max-length"]),
            (
                &safe,
                with(&[("x-max-length-bytes", Value::Whole(1)), ("x-overflow", text("drop-head"))]),
                &["x-max-length-bytes"],
            ),
            (&safe, with(&[("x-max-length", Value::Whole(1)), ("x-overflow", text("reject-publish"))]), &[]),
            (&safe, with(&[("x-message-ttl", Value::Whole(1))]), &["x-message-ttl"]),
            (&safe, with(&[("x-queue-type", text("stream"))]), &["x-queue-type"]),
            (&[], with(&[("x-queue-type", text("classic"))]), &[]),
        ];
        for (flags, arguments, expected) in table {
            assert_eq!(shown(flags, &arguments), expected, "{flags:?} {arguments:?}");
        }
    }
}
