//! Messages as producers' systems write them, and what is found in them.

use super::*;

const ID: &str = "2f7bf00a-0fc2-4d6a-9b56-92238191433e";
const NOW: Time = Time::from_millis(1_795_252_504_712);

fn command() -> String {
    format!(r#"{{"conversationId": "{ID}"}}"#)
}

fn headers(list: &[(&str, &str)]) -> Headers {
    list.iter().map(|(name, value)| (*name, *value)).collect()
}

/// The command and the id that are found, or the reason why none is.
fn read(
    decoder: &Decoder,
    list: &[(&str, &str)],
    body: &str,
) -> Result<(String, Option<String>), &'static str> {
    match decode(decoder, &headers(list), body.as_bytes(), NOW) {
        Ok(decoded) => Ok((String::from_utf8(decoded.command.into_owned()).unwrap(), decoded.id)),
        Err(undecodable) => {
            assert!(
                undecodable.detail.ends_with('.') || undecodable.detail.ends_with(")."),
                "{undecodable:?}"
            );
            Err(undecodable.reason)
        }
    }
}

fn found(command: &str, id: Option<&str>) -> Result<(String, Option<String>), &'static str> {
    Ok((command.to_owned(), id.map(str::to_owned)))
}

fn structured(data: &str) -> String {
    format!(
        r#"{{"specversion": "1.0", "type": "{COMMAND_TYPE}", "source": "/shop", "id": "e-1", "extra": 1, {data}}}"#
    )
}

#[test]
fn a_cloud_event_is_found_in_every_mode() {
    let data = format!("\"data\": {}", command());
    let encoded = format!("\"data_base64\": \"{}\"", base64(&command()));
    for decoder in [Decoder::Auto, Decoder::CloudEvents] {
        assert_eq!(read(&decoder, &[], &structured(&data)), found(&command(), Some("e-1")));
        assert_eq!(read(&decoder, &[], &structured(&encoded)), found(&command(), Some("e-1")));
        for prefix in ["ce-", "ce_", "cloudEvents:", "cloudEvents_"] {
            let named = ["specversion", "type", "id"].map(|name| format!("{prefix}{name}"));
            let list = [(&*named[0], "1.0"), (&*named[1], COMMAND_TYPE), (&*named[2], "e-2")];
            assert_eq!(read(&decoder, &list, &command()), found(&command(), Some("e-2")), "{prefix}");
        }
    }
    // What nobody says is a CloudEvent is a plain command.
    assert_eq!(read(&Decoder::Auto, &[], &command()), found(&command(), None));
    assert_eq!(read(&Decoder::Plain, &[], &structured(&data)), found(&structured(&data), None));
}

#[test]
fn the_command_of_a_cloud_event_is_passed_on_as_it_stood() {
    // A name that is given twice is for the reader of commands to find.
    let twice = r#"{"conversationId": "a", "conversationId": "b"}"#;
    let body = structured(&format!("\"data\": {twice}"));
    assert_eq!(read(&Decoder::Auto, &[], &body), found(twice, Some("e-1")));
}

#[test]
fn what_is_no_command_as_a_cloud_event_is_refused() {
    let data = format!("\"data\": {}", command());
    let cases = [
        (structured(&data).replace(COMMAND_TYPE, "com.shop.order"), "other_event"),
        (structured(&data).replace("\"1.0\"", "\"0.3\""), "invalid_event"),
        (structured("\"more\": 1"), "invalid_event"),
        (structured(&format!("{data}, \"data_base64\": \"e30=\"")), "invalid_event"),
        (structured("\"data_base64\": \"%\""), "invalid_event"),
    ];
    for (body, reason) in cases {
        assert_eq!(read(&Decoder::Auto, &[], &body), Err(reason), "{body}");
    }
    assert_eq!(read(&Decoder::CloudEvents, &[], "{"), Err("invalid_json"));
    assert_eq!(read(&Decoder::CloudEvents, &[], &command()), Err("invalid_event"));
    let list = [("ce-specversion", "1.0"), ("ce-type", "com.shop.order")];
    assert_eq!(read(&Decoder::Auto, &list, &command()), Err("other_event"));
}

#[test]
fn an_event_of_eventbridge_holds_the_command_as_its_detail() {
    let event =
        format!(r#"{{"version": "0", "id": "b-1", "detail-type": "close", "detail": {}}}"#, command());
    assert_eq!(read(&Decoder::EventBridge, &[], &event), found(&command(), Some("b-1")));
    for (body, reason) in
        [("{}", "invalid_event"), ("[]", "invalid_json"), (r#"{"detail-type": "close"}"#, "invalid_event")]
    {
        assert_eq!(read(&Decoder::EventBridge, &[], body), Err(reason), "{body}");
    }
}

#[test]
fn a_notification_of_sns_holds_a_command_or_a_cloud_event() {
    let wrap = |inner: &str| {
        let message = serde_json::to_string(inner).unwrap();
        format!(r#"{{"Type": "Notification", "MessageId": "n-1", "TopicArn": "arn", "Message": {message}}}"#)
    };
    assert_eq!(read(&Decoder::Sns, &[], &wrap(&command())), found(&command(), Some("n-1")));
    let event = structured(&format!("\"data\": {}", command()));
    assert_eq!(read(&Decoder::Sns, &[], &wrap(&event)), found(&command(), Some("e-1")));
    for (body, reason) in [
        (command(), "invalid_event"),
        (wrap("x").replace("Notification", "SubscriptionConfirmation"), "invalid_event"),
        ("nonsense".to_owned(), "invalid_json"),
    ] {
        assert_eq!(read(&Decoder::Sns, &[], &body), Err(reason), "{body}");
    }
}

const TASK: [(&str, &str); 3] =
    [("task", "closeout.close"), ("id", "t-1"), ("content-type", "application/json")];

#[test]
fn a_task_of_celery_gives_its_arguments_by_name_or_as_one() {
    let embed = r#"{"callbacks": null, "errbacks": null, "chain": null, "chord": null}"#;
    let cases = [
        (format!("[[], {}, {embed}]", command()), command()),
        (format!("[[{}], {{}}, {embed}]", command()), command()),
        (format!("[[\"{ID}\"], {{}}, {embed}]"), format!("{{\"conversationId\":\"{ID}\"}}")),
        (format!("[[\"{ID}\"], null, null]"), format!("{{\"conversationId\":\"{ID}\"}}")),
    ];
    for (body, command) in cases {
        assert_eq!(read(&Decoder::Celery, &TASK, &body), found(&command, Some("t-1")), "{body}");
    }
}

#[test]
fn a_task_of_celery_is_found_in_the_envelope_of_brokers_without_headers() {
    let arguments = format!("[[], {}, {{}}]", command());
    let envelope = format!(
        r#"{{"body": "{}", "content-encoding": "utf-8", "content-type": "application/json",
            "headers": {{"task": "closeout.close", "id": "t-2", "eta": null}}, "properties": {{"body_encoding": "base64"}}}}"#,
        base64(&arguments)
    );
    assert_eq!(read(&Decoder::Celery, &[], &envelope), found(&command(), Some("t-2")));
    assert_eq!(read(&Decoder::Celery, &[], &base64(&envelope)), found(&command(), Some("t-2")));
}

#[test]
fn the_time_of_a_task_is_the_commands_and_one_that_is_over_is_refused() {
    let body = format!("[[], {}, null]", command());
    let with = |name, value| [&TASK[..], &[(name, value)]].concat();
    let expected = format!(r#"{{"conversationId":"{ID}","notBefore":"2026-11-21T10:00:00.000Z"}}"#);
    for eta in ["2026-11-21T10:00:00+00:00", "2026-11-21T11:00:00+01:00", "2026-11-21T10:00:00"] {
        assert_eq!(read(&Decoder::Celery, &with("eta", eta), &body), found(&expected, Some("t-1")), "{eta}");
    }
    let own = format!("[[], {expected}, null]");
    let later = with("eta", "2027-01-01T00:00:00Z");
    assert_eq!(read(&Decoder::Celery, &later, &own), found(&expected, Some("t-1")));
    assert_eq!(read(&Decoder::Celery, &with("eta", "soon"), &body), Err("invalid_task"));
    assert_eq!(read(&Decoder::Celery, &with("expires", "2020-01-01T00:00:00Z"), &body), Err("expired"));
    let open = with("expires", "2030-01-01T00:00:00Z");
    assert_eq!(read(&Decoder::Celery, &open, &body), found(&command(), Some("t-1")));
}

#[test]
fn a_task_that_is_no_command_is_refused() {
    let chain = format!(r#"[[], {}, {{"chain": [{{"task": "next"}}]}}]"#, command());
    let cases = [
        ("[[], {}, null]".to_owned(), "invalid_task"),
        (format!("[[\"{ID}\", 1], {{}}, null]"), "invalid_task"),
        (format!("[[\"{ID}\"], {}, null]", command()), "invalid_task"),
        ("[[7], {}, null]".to_owned(), "invalid_task"),
        (chain, "invalid_task"),
        (command(), "invalid_json"),
        ("[".to_owned(), "invalid_json"),
    ];
    for (body, reason) in cases {
        assert_eq!(read(&Decoder::Celery, &TASK, &body), Err(reason), "{body}");
    }
    let pickled = [("task", "t"), ("content-type", "application/x-python-serialize")];
    assert_eq!(read(&Decoder::Celery, &pickled, "[[], {}, null]"), Err("invalid_task"));
    for body in ["{}", "", r#"{"body": "W10=", "headers": {}}"#] {
        assert!(read(&Decoder::Celery, &[], body).is_err(), "{body}");
    }
}

fn pointers(fields: &[(&str, &str)]) -> Result<Decoder, InvalidFields> {
    let fields = fields.iter().map(|(name, pointer)| ((*name).to_owned(), (*pointer).to_owned())).collect();
    PointerMap::new(fields).map(Decoder::JsonPath)
}

#[test]
fn pointers_find_the_fields_of_a_command_in_any_json() {
    let decoder = pointers(&[
        ("id", "/meta/id"),
        ("conversationId", "/order/sessions/0"),
        ("labels.order.number", "/order/number"),
        ("policy.deadline", "/limit"),
        ("reason", "/nowhere"),
        ("participantId", "/nothing"),
    ])
    .unwrap();
    let body = format!(
        r#"{{"meta": {{"id": 7}}, "order": {{"sessions": ["{ID}"], "number": 8812}}, "limit": "PT2M", "nothing": null}}"#
    );
    let command = format!(
        r#"{{"conversationId":"{ID}","labels":{{"order.number":"8812"}},"policy":{{"deadline":"PT2M"}}}}"#
    );
    assert_eq!(read(&decoder, &[], &body), found(&command, Some("7")));
    let object = body.replace(&format!("\"{ID}\""), "{}");
    assert_eq!(read(&decoder, &[], &object), Err("invalid_field"));
    for body in ["[]", "{\"a\": 1, \"a\": 2}", "{\"a\": {\"b\": 1, \"b\": 2}}", "nonsense"] {
        assert_eq!(read(&decoder, &[], body), Err("invalid_json"), "{body}");
    }
}

#[test]
fn pointers_that_cannot_be_meant_are_refused() {
    for fields in [
        &[("conversation", "/a")][..],
        &[("conversationId", "a")],
        &[("reason", "/a")],
        &[("conversationId", "/a"), ("conversationId", "/b")],
        &[("conversationId", "/a"), ("labels.", "/b")],
    ] {
        assert!(pointers(fields).is_err(), "{fields:?}");
    }
}

#[test]
fn every_decoder_has_its_name() {
    for name in Decoder::NAMES {
        assert_eq!(name.parse::<Decoder>().is_ok(), name != "jsonpath", "{name}");
    }
    assert_eq!("pickle".parse::<Decoder>(), Err(UnknownDecoder));
}

fn base64(text: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(text)
}
