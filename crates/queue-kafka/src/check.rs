//! Which settings of a topic are unsafe for commands: pure, but for the question.

use std::{collections::HashMap, time::Duration};

use queue::Warning;
use rdkafka::{
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    config::FromClientConfig,
};

use crate::{look::Topic, security::Mechanism, setup::Setup};

/// How long commands should survive a service that stands still: a weekend.
const SHORTEST_RETENTION: Duration = Duration::from_secs(72 * 3_600);

/// How many brokers should keep a command.
const REPLICAS: usize = 3;

/// How long the question for a topic's settings may take.
const QUESTION: Duration = Duration::from_secs(3);

/// The settings of the topic by name; none where the brokers do not show them.
pub(crate) async fn settings(setup: &Setup) -> HashMap<String, String> {
    let Ok(admin) = AdminClient::<DefaultClientContext>::from_config(&setup.admin()) else {
        return HashMap::new();
    };
    let topic = ResourceSpecifier::Topic(&setup.topic);
    let options = AdminOptions::new().request_timeout(Some(QUESTION));
    let asked = admin.describe_configs([&topic], &options);
    let found = tokio::time::timeout(QUESTION, asked).await;
    let found = match found {
        Ok(Ok(found)) => found.into_iter().find_map(Result::ok),
        Ok(Err(error)) => {
            tracing::debug!(%error, "the brokers do not show the settings of the topic");
            None
        }
        Err(_) => None,
    };
    let entries = found.map(|found| found.entries).unwrap_or_default();
    entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

/// Whether the password can be read on its way.
pub(crate) fn password_in_the_clear(setup: &Setup) -> Option<Warning> {
    let is_sent = setup.login.as_ref().is_some_and(|login| login.mechanism == Mechanism::Plain);
    let is_here = |broker: &String| {
        let host = broker.rsplit_once(':').map_or(broker.as_str(), |(host, _)| host);
        host == "localhost" || host == "[::1]" || host.starts_with("127.")
    };
    (is_sent && !setup.tls && !setup.brokers.iter().all(is_here)).then(|| Warning {
        setting: "sasl",
        detail: "The password crosses the network as it is.".to_owned(),
        fix: "Set tls = true in a build that has it, or keep the way to the brokers private.".to_owned(),
    })
}

/// What is unsafe.
pub(crate) fn warnings(topic: &Topic, settings: &HashMap<String, String>) -> Vec<Warning> {
    let mut all = Vec::new();
    let mut warn = |setting, detail: String, fix: &str| {
        all.push(Warning { setting, detail, fix: fix.to_owned() });
    };
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|has| has == value);
    let fewest = topic.partitions.iter().map(|(_, replicas)| *replicas).min().unwrap_or(0);
    if topic.brokers >= REPLICAS && fewest < REPLICAS {
        let detail = format!(
            "A partition is kept by {fewest} of {} brokers: with it commands are lost.",
            topic.brokers
        );
        warn("replication.factor", detail, "Give the topic three replicas.");
    }
    if fewest >= REPLICAS && is("min.insync.replicas", "1") {
        let detail = "A command is acknowledged to its producer when a single broker has it.";
        warn("min.insync.replicas", detail.to_owned(), "Set min.insync.replicas to 2.");
    }
    if is("unclean.leader.election.enable", "true") {
        let detail = "A broker that is behind may lead a partition: what it never had is lost.";
        warn("unclean.leader.election.enable", detail.to_owned(), "Switch it off.");
    }
    if is("cleanup.policy", "compact") || is("cleanup.policy", "compact,delete") {
        let detail =
            "Of several commands with one key only the last is kept, whether the others were taken or not.";
        warn("cleanup.policy", detail.to_owned(), "Set cleanup.policy to delete.");
    }
    let retention =
        settings.get("retention.ms").and_then(|text| text.parse().ok()).map(Duration::from_millis);
    if let Some(retention) = retention.filter(|retention| *retention < SHORTEST_RETENTION) {
        let hours = retention.as_secs() / 3_600;
        let detail = format!("The topic drops commands after {hours} h, whether they were taken or not.");
        warn("retention.ms", detail, "Set retention.ms to three days or more.");
    }
    if settings.get("retention.bytes").is_some_and(|bytes| bytes != "-1") {
        let detail = "At its size the topic drops the oldest commands, whether they were taken or not.";
        warn("retention.bytes", detail.to_owned(), "Set retention.bytes to -1.");
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::Login;

    fn found(brokers: usize, replicas: usize, settings: &[(&str, &str)]) -> Vec<&'static str> {
        let topic = Topic { brokers, partitions: vec![(0, 3), (1, replicas)] };
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let warnings = warnings(&topic, &settings);
        assert!(warnings.iter().all(|warning| warning.fix.ends_with('.') && warning.detail.ends_with('.')));
        warnings.iter().map(|warning| warning.setting).collect()
    }

    #[test]
    fn a_password_that_can_be_read_on_its_way_is_warned_of() {
        let warned = |broker: &str, mechanism: Option<Mechanism>, tls: bool| {
            let setup = Setup {
                brokers: vec!["127.0.0.1:9092".to_owned(), broker.to_owned()],
                topic: "closures".to_owned(),
                group: "closeout".to_owned(),
                held: Duration::from_secs(30),
                tls,
                authorities: None,
                login: mechanism.map(|mechanism| Login {
                    mechanism,
                    user: "closeout".to_owned(),
                    password: "planted".to_owned().into(),
                }),
            };
            password_in_the_clear(&setup).is_some()
        };
        assert!(warned("kafka.example:9092", Some(Mechanism::Plain), false));
        assert!(!warned("kafka.example:9092", Some(Mechanism::Plain), true));
        assert!(!warned("kafka.example:9092", Some(Mechanism::ScramSha256), false));
        assert!(!warned("kafka.example:9092", None, false));
        assert!(!warned("[::1]:9092", Some(Mechanism::Plain), false));
    }

    #[test]
    fn every_unsafe_setting_is_warned_of_and_a_safe_one_is_not() {
        type Case<'a> = (usize, &'a [(&'a str, &'a str)], &'a str);
        let safe = [
            ("min.insync.replicas", "2"),
            ("unclean.leader.election.enable", "false"),
            ("cleanup.policy", "delete"),
            ("retention.ms", "604800000"),
            ("retention.bytes", "-1"),
        ];
        assert_eq!(found(3, 3, &safe), [""; 0]);
        assert_eq!(found(3, 3, &[]), [""; 0], "nothing is shown");
        assert_eq!(found(1, 1, &[("min.insync.replicas", "1")]), [""; 0], "there are no more");
        assert_eq!(found(3, 3, &[("retention.ms", "-1")]), [""; 0], "for ever");
        let cases: [Case<'_>; 7] = [
            (2, &[], "replication.factor"),
            (3, &[("min.insync.replicas", "1")], "min.insync.replicas"),
            (3, &[("unclean.leader.election.enable", "true")], "unclean.leader.election.enable"),
            (3, &[("cleanup.policy", "compact")], "cleanup.policy"),
            (3, &[("cleanup.policy", "compact,delete")], "cleanup.policy"),
            (3, &[("retention.ms", "259199999")], "retention.ms"),
            (3, &[("retention.bytes", "1000000")], "retention.bytes"),
        ];
        for (replicas, settings, setting) in cases {
            assert_eq!(found(3, replicas, settings), [setting], "{settings:?}");
        }
    }
}
