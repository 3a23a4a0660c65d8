//! The `[[source]]` tables: what is read of them, and what is refused.

use super::Scene;
use crate::config::source::Broker;

#[test]
fn a_queue_of_rabbitmq_is_a_source() {
    let mut scene = Scene::usual(
        "[[source]]\nname = \"orders\"\nkind = \"amqp\"\nurl = \"amqps://broker:5671/shop\"\nqueue = \"closures\"\n\
         user = \"closeout\"\npassword = \"env:BROKER\"\nca_file = \"ca.pem\"\ndecoder = \"celery\"",
    );
    scene.set("BROKER", "hunter2");
    let settings = scene.settings().unwrap();
    let [source] = settings.sources.as_slice() else { panic!("one source: {:?}", settings.sources) };
    assert_eq!((source.setup.name.as_str(), source.setup.kind), ("orders", "amqp"));
    assert_eq!(source.broker.place(), "closures of amqps://broker:5671 shop");
    let Broker::Amqp(setup) = &source.broker else { panic!("{source:?}") };
    assert_eq!(setup.ca_file, Some(scene.folder.path().join("ca.pem")));
    assert!(!format!("{source:?}").contains("hunter2"));
}

/// A table of a source in NATS with these lines.
fn source(lines: &str) -> Scene {
    Scene::usual(&format!("[[source]]\nname = \"orders\"\nkind = \"nats\"\nstream = \"CLOSURES\"\n{lines}\n"))
}

#[test]
fn a_source_is_read_with_its_defaults_and_every_setting() {
    let settings = source("url = \"nats://127.0.0.1:4222\"").settings().unwrap();
    let [read] = &settings.sources[..] else { panic!("one source") };
    assert_eq!((read.setup.name.as_str(), read.setup.kind), ("orders", "nats"));
    assert_eq!(read.setup.organisation.as_str(), "main");
    assert_eq!((&read.setup.decoder, read.setup.replies.is_on()), (&intake::Decoder::Auto, false));
    let Broker::Nats(nats) = &read.broker else { panic!("{read:?}") };
    assert_eq!((nats.consumer.as_str(), nats.subject.as_deref()), ("closeout", None));
    assert!(matches!(nats.auth, queue_nats::Auth::Nothing));
    let lines = "url = \"tls://a.example:4222, tls://b.example:4222\"\nsubject = \"closures.v1.close\"\nconsumer = \"mine\"\n\
                 user = \"me\"\npassword = \"planted\"\nresults = \"closures.ended\"\nreplies = [\"closures.replies.*\"]\n\
                 decoder = \"jsonpath\"\nfields = [\"conversationId=/detail/id\"]";
    let settings = source(lines).settings().unwrap();
    let read = &settings.sources[0];
    let Broker::Nats(nats) = &read.broker else { panic!("{read:?}") };
    assert_eq!(nats.servers, ["tls://a.example:4222", "tls://b.example:4222"]);
    assert!(matches!(&nats.auth, queue_nats::Auth::Password { user, .. } if user == "me"));
    assert!(!format!("{settings:?}").contains("planted"), "a password does not print");
    assert!(matches!(read.setup.decoder, intake::Decoder::JsonPath(_)));
    assert_eq!(read.setup.replies.results.as_deref(), Some("closures.ended"));
    // HTTP needs no table, and one says nothing.
    assert!(
        Scene::usual("[[source]]\nname = \"n\"\nkind = \"http\"\n").settings().unwrap().sources.is_empty()
    );
}

#[test]
fn queues_of_sqs_and_topics_of_kafka_are_sources() {
    let url = "https://sqs.eu-central-1.amazonaws.com/123456789012/closures";
    let settings = Scene::usual(&format!(
        "[[source]]\nname = \"orders\"\nkind = \"sqs\"\nqueue_url = \"{url}\"\nvisibility_timeout = \"40s\"\n\
         [[source]]\nname = \"shop\"\nkind = \"kafka\"\nbrokers = [\"a.example:9092\"]\ntopic = \"closures\"\n"
    ))
    .settings()
    .unwrap();
    let [orders, shop] = &settings.sources[..] else { panic!("two sources: {:?}", settings.sources) };
    assert_eq!((orders.setup.kind, orders.broker.place().as_str()), ("sqs", url));
    let Broker::Sqs(sqs) = &orders.broker else { panic!("{orders:?}") };
    assert_eq!((sqs.region.as_str(), &sqs.endpoint), ("eu-central-1", &None));
    assert_eq!(sqs.visibility_timeout, Some(std::time::Duration::from_secs(40)));
    assert_eq!((shop.setup.kind, shop.broker.place().as_str()), ("kafka", "closures of a.example:9092"));
    let Broker::Kafka(kafka) = &shop.broker else { panic!("{shop:?}") };
    assert_eq!((kafka.settings.group.as_str(), kafka.settings.tls), ("closeout", false));
    assert!(kafka.settings.login.is_none());
    let of = |kind: &str, lines: &str| {
        Scene::usual(&format!("[[source]]\nname = \"n\"\nkind = \"{kind}\"\n{lines}\n")).refusal()
    };
    let topic = "topic = \"t\"";
    for (said, part) in [
        (of("sqs", ""), "source.0.queue_url is missing"),
        (of("sqs", "queue_url = \"https://sqs.example/1/q\""), "source.0.region is missing"),
        (of("sqs", &format!("queue_url = \"{url}\"\ntopic = \"t\"")), "with kind = \"kafka\" only"),
        (of("kafka", topic), "source.0.brokers is missing"),
        (of("kafka", "brokers = [\"a:9092\"]"), "source.0.topic is missing"),
        (of("kafka", &format!("{topic}\nbrokers = [\"kafka://a:9092\"]")), "write HOST:PORT"),
        (of("kafka", &format!("{topic}\nbrokers = [\"a\"]")), "write HOST:PORT"),
        (of("kafka", &format!("{topic}\nbrokers = [\"a:9092\"]\ngroup = \"a b\"")), "1 to 249 characters"),
        (
            of("kafka", &format!("{topic}\nbrokers = [\"a:9092\"]\nregion = \"r\"")),
            "with kind = \"sqs\" only",
        ),
    ] {
        assert!(said.contains(part), "{said} does not say {part}");
    }
}

/// A table of a source in Kafka with these lines.
fn topic(lines: &str) -> Scene {
    Scene::usual(&format!(
        "[[source]]\nname = \"shop\"\nkind = \"kafka\"\nbrokers = [\"a.example:9092\"]\ntopic = \"closures\"\n{lines}\n"
    ))
}

#[test]
fn a_source_of_kafka_proves_who_it_is() {
    let mut scene = topic("user = \"me\"\npassword = \"env:BROKER\"\nsasl = \"plain\"");
    scene.set("BROKER", "planted");
    let settings = scene.settings().unwrap();
    assert!(!format!("{settings:?}").contains("planted"), "a password does not print");
    let Broker::Kafka(kafka) = &settings.sources[0].broker else { panic!("{settings:?}") };
    let login = kafka.settings.login.as_ref().unwrap();
    assert_eq!((login.user.as_str(), login.mechanism), ("me", queue_kafka::Mechanism::Plain));
    assert_eq!(secrecy::ExposeSecret::expose_secret(&login.password), "planted");
    let refused = |lines: &str| topic(lines).refusal();
    for (said, part) in [
        (refused("sasl = \"plain\""), "source.0.sasl needs a user beside it"),
        (refused("user = \"me\"\npassword = \"x\""), "plain, scram-sha-256 or scram-sha-512"),
        (refused("user = \"me\"\nsasl = \"plain\""), "source.0.password"),
        (refused("password = \"x\""), "needs a user beside it"),
        (refused("user = \"me\"\npassword = \"x\"\nsasl = \"gssapi\""), "source.0.sasl"),
        (refused("ca_file = \"ca.pem\""), "has a use with tls = true only"),
    ] {
        assert!(said.contains(part), "{said} does not say {part}");
    }
}

#[test]
fn what_a_build_has_not_for_kafka_is_refused_in_words() {
    let scram = "user = \"me\"\npassword = \"planted\"\nsasl = \"scram-sha-512\"";
    let tls = "tls = true\nca_file = \"ca.pem\"";
    if queue_kafka::SPEAKS_TLS {
        let settings = topic(&format!("{tls}\n{scram}")).settings().unwrap();
        let Broker::Kafka(kafka) = &settings.sources[0].broker else { panic!("{settings:?}") };
        assert!(kafka.settings.tls && kafka.ca_file.is_some());
        assert!(kafka.settings.login.as_ref().is_some_and(|login| login.mechanism.needs_openssl()));
        return;
    }
    for said in [topic(scram).refusal(), topic(tls).refusal()] {
        assert!(said.contains("--features kafka-tls (docs/sources-kafka.md)"), "{said}");
        assert!(!said.contains("planted"), "{said}");
    }
}

#[test]
fn what_is_wrong_with_a_source_is_said() {
    let with = |lines: &str| source(&format!("url = \"nats://127.0.0.1:4222\"\n{lines}")).refusal();
    let second = "[[source]]\nname = \"orders\"\nkind = \"nats\"\nstream = \"CLOSURES\"\nurl = \"nats://127.0.0.1:4222\"\n";
    let leaky = source("url = \"nats://me:planted@127.0.0.1:4222\"").refusal();
    assert!(leaky.contains("must hold no user and password") && !leaky.contains("planted"), "{leaky}");
    for (said, part) in [
        (source("").refusal(), "source.0.url is missing"),
        (source("url = \"http://127.0.0.1\"").refusal(), "must begin with nats:// or tls://"),
        (with("consumer = \"a.b\""), "must have 1 to 255 characters"),
        (with("user = \"me\""), "source.0.password is missing"),
        (with("password = \"x\""), "needs a user beside it"),
        (with("token = \"x\"\nuser = \"me\""), "stands beside token"),
        (with("fields = [\"conversationId=/a\"]"), "has a use with decoder = \"jsonpath\" only"),
        (with("decoder = \"jsonpath\""), "conversationId, or a field of target, is missing"),
        (with("decoder = \"jsonpath\"\nfields = [\"conversationId\"]"), "write FIELD=/POINTER"),
        (with("decoder = \"pickle\""), "source.0.decoder"),
        (with("replies = [\"*\"]"), "is no address"),
        (with("organisation = \"nobody\""), "is not an organisation of this configuration"),
        (with(&format!("{second}consumer = \"other\"\n")), "\"orders\" stands there twice"),
        (with(&second.replace("orders", "more")), "source.1.stream is taken from by the source \"orders\""),
        (
            Scene::usual(&second.replace("orders", "http")).refusal(),
            "is the name of a source that is always there",
        ),
        (
            Scene::usual("[[source]]\nname = \"n\"\nkind = \"http\"\nurl = \"x\"\n").refusal(),
            "with kind = \"nats\" or \"amqp\" only",
        ),
    ] {
        assert!(said.contains(part), "{said} does not say {part}");
    }
}

#[test]
fn where_no_organisation_has_a_name_that_can_be_used_that_is_said() {
    let text = "[genesys.\"Ma in\"]\nregion = \"eu-central-1\"\n[auth]\ntokens_file = \"tokens.toml\"\n\
                [[source]]\nname = \"orders\"\nkind = \"nats\"\nstream = \"CLOSURES\"\nurl = \"nats://127.0.0.1:4222\"\n";
    let problems = Scene::new(text).settings().unwrap_err();
    let said = problems.iter().find(|problem| problem.contains("source.0.organisation")).unwrap();
    let end = "is not an organisation of this configuration; it has none whose name can be used";
    assert!(said.ends_with(end), "{said}");
    assert!(problems.iter().all(|problem| !problem.ends_with(' ')), "{problems:?}");
}
