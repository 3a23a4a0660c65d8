//! What `closeout sim` prints: tables for people, and what the simulator answered, as it is, for programs.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::plain,
    output::{self, Column, Form, Listing, Voice, pairs},
};

/// An answer as it is where JSON is wanted, else what `people` makes of it.
fn answer(value: &Value, voice: &Voice, people: impl FnOnce() -> String) -> String {
    match voice.form {
        Form::Json => output::pretty(value),
        Form::Ndjson => format!("{value}\n"),
        Form::Table | Form::Wide | Form::Csv | Form::Id => people(),
    }
}

fn list(columns: &[Column], items: &[Value], id: &'static str, voice: &Voice) -> String {
    Listing { columns, items, id }.write(voice.form, voice.style)
}

fn is_for_people(voice: &Voice) -> bool {
    matches!(voice.form, Form::Table | Form::Wide)
}

/// The ids of conversations that were made. Ids alone are what the next command takes.
pub(super) fn made(items: &[Value], voice: &Voice) -> String {
    let columns = [
        Column::text("CONVERSATION", "conversationId"),
        Column::text("PARTICIPANT", "participantId"),
        Column::text("COMMUNICATION", "communicationId"),
    ];
    let form = if voice.form == Form::Table { Form::Id } else { voice.form };
    Listing { columns: &columns, items, id: "conversationId" }.write(form, voice.style)
}

/// One conversation with what only the simulator knows.
pub(super) fn conversation(shown: &Value, page: &str, voice: &Voice) -> String {
    let columns = [
        Column::text("PARTICIPANT", "participantId"),
        Column::text("WHO", "purpose"),
        Column::text("IS", "is"),
        Column::text("END PROVEN", "proven"),
        Column::text("COMMUNICATIONS", "communications").when_wide(),
    ];
    answer(shown, voice, || {
        if voice.form == Form::Id {
            return format!("{}\n", plain(&shown["conversationId"]));
        }
        let participants: Vec<Value> =
            shown["participants"].as_array().into_iter().flatten().map(participant).collect();
        let table = list(&columns, &participants, "participantId", voice);
        if !is_for_people(voice) {
            return table;
        }
        let time = |field: &str| shown[field].as_str().map(|at| voice.style.time(at)).unwrap_or_default();
        let state = match (shown["open"] == json!(true), shown["wrapper"].as_str()) {
            (_, Some("purged")) => "purged",
            (true, Some("closed")) => "open, though its wrapper was closed",
            (true, _) => "open",
            (false, _) => "ended",
        };
        let rows = [
            ("conversation", plain(&shown["conversationId"])),
            ("state", state.to_owned()),
            ("external id", plain(&shown["externalId"])),
            ("started", time("startedAt")),
            ("ended", time("endedAt")),
            ("guest sees", plain(&shown["guestState"])),
            ("guest's page", page.to_owned()),
            ("calls", plain(&shown["calls"])),
        ];
        format!("{}\n{table}", pairs(&rows, voice.style))
    })
}

/// A participant in words.
fn participant(shown: &Value) -> Value {
    let legs = || shown["legs"].as_array().into_iter().flatten();
    let is = match (&shown["connected"], &shown["inAfterCallWork"]) {
        (Value::Bool(true), _) => "connected",
        (_, Value::Bool(true)) => "gone, owes a wrap-up",
        _ => "gone",
    };
    // Only a guest's end needs proof, and a leg that is still connected has none to prove.
    let guest = shown["purpose"] == json!("customer");
    let proven = match legs().find(|leg| guest && leg["connected"] == json!(false)) {
        Some(_) if legs().all(|leg| leg["endShownToClients"] == json!(true)) => "yes",
        Some(_) => "no",
        None => "",
    };
    let communications: Vec<&Value> = legs().map(|leg| &leg["communicationId"]).collect();
    json!({
        "participantId": shown["participantId"], "purpose": shown["purpose"], "is": is, "proven": proven,
        "communications": communications,
    })
}

/// What the receivers of an event answered.
pub(super) fn deliveries(items: &[Value], voice: &Voice) -> String {
    let columns = [
        Column::text("WEBHOOK", "adapter"),
        Column::text("ANSWER", "status"),
        Column::text("ERROR", "error"),
    ];
    list(&columns, items, "adapter", voice)
}

/// The faults and the seed.
pub(super) fn chaos(shown: &Value, voice: &Voice) -> String {
    let columns = [
        Column::text("FAULT", "preset"),
        Column::text("CONVERSATIONS", "share"),
        Column::text("TIMES EACH", "times"),
        Column::text("DELAY", "delay"),
    ];
    answer(shown, voice, || {
        let rules = shown["chaos"]["presets"].as_array().map_or(&[][..], Vec::as_slice);
        let of_all = &shown["chaos"]["rate"];
        let rules: Vec<Value> = rules.iter().map(|rule| fault(rule, of_all)).collect();
        if !is_for_people(voice) {
            return list(&columns, &rules, "preset", voice);
        }
        let seed = pairs(&[("seed", plain(&shown["seed"]))], voice.style);
        if rules.is_empty() {
            return format!("{seed}no faults\n");
        }
        format!("{seed}\n{}", list(&columns, &rules, "preset", voice))
    })
}

/// A rule in words. A rule without a rate has that of all, and one without that strikes every conversation.
fn fault(rule: &Value, of_all: &Value) -> Value {
    let share = match rule["rate"].as_f64().or_else(|| of_all.as_f64()) {
        Some(rate) => format!("{:.4} %", rate * 100.0).replace(".0000", ""),
        None => "all".to_owned(),
    };
    let times = if rule["times"].is_null() { "as usual".to_owned() } else { plain(&rule["times"]) };
    let delay = rule["delayMs"].as_u64().map(|millis| format!("{millis} ms")).unwrap_or_default();
    json!({ "preset": rule["preset"], "share": share, "times": times, "delay": delay })
}

/// The clock.
pub(super) fn clock(shown: &Value, voice: &Voice) -> String {
    answer(shown, voice, || {
        let ahead = shown["offsetMs"].as_i64().unwrap_or_default();
        if !is_for_people(voice) {
            let columns = [Column::text("NOW", "now"), Column::text("AHEAD MS", "offsetMs")];
            return list(&columns, std::slice::from_ref(shown), "now", voice);
        }
        let ahead = match ahead {
            0 => "0, it shows the time of this machine".to_owned(),
            millis => format!("{:#}", jiff::SignedDuration::from_millis(millis)),
        };
        pairs(&[("now", plain(&shown["now"])), ("ahead by", ahead)], voice.style)
    })
}

/// What the simulator saw and did.
pub(super) fn journal(entries: &[Value], voice: &Voice) -> String {
    let columns = [
        Column::text("#", "seq"),
        Column::text("TIME", "at"),
        Column::text("KIND", "kind"),
        Column::text("WHAT", "what"),
        Column::text("STATUS", "status"),
        Column::text("FAULT", "fault"),
        Column::text("CONVERSATION", "conversationId").when_wide(),
        Column::text("DETAIL", "detail").when_wide(),
    ];
    if matches!(voice.form, Form::Json | Form::Ndjson | Form::Id) {
        return list(&columns, entries, "seq", voice);
    }
    let timed: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let mut entry = entry.clone();
            let at = entry["atMs"].as_i64().and_then(|millis| Timestamp::from_millisecond(millis).ok());
            // The milliseconds tell what came first; a relative time would not.
            entry["at"] = json!(at.map(|at| format!("{at:.3}")));
            if voice.form == Form::Table {
                entry["what"] = json!(with_short_ids(&plain(&entry["what"])));
            }
            entry
        })
        .collect();
    list(&columns, &timed, "seq", voice)
}

/// A path or topic with the first eight digits of each id in it, so that a line fits a screen; `wide` has them whole.
fn with_short_ids(text: &str) -> String {
    text.split_inclusive(['/', '.', ' '])
        .map(|part| {
            let id = part.trim_end_matches(['/', '.', ' ']);
            match (Uuid::try_parse(id), id.get(..8), part.get(id.len()..)) {
                (Ok(_), Some(first), Some(rest)) => format!("{first}…{rest}"),
                (Ok(_) | Err(_), _, _) => part.to_owned(),
            }
        })
        .collect()
}

/// How the verdict's numbers are told: field, words, and what they mean.
const VERDICT: [(&str, &str, &str); 22] = [
    ("conversations", "conversations", "that exist"),
    ("conversationsOpen", "  still open", ""),
    ("guestsConnected", "  with a connected guest", ""),
    ("wrapperCloses", "whole conversations closed", "by PATCH or DELETE, or as a dialect does"),
    ("wrapperClosesBeforeGuestGone", "  while the guest was connected", "must be 0"),
    ("wrapperClosesBeforeProof", "  before the guest's end was shown", "must be 0"),
    ("wrapperClosesOverUnseenLeg", "  over a leg that nothing had shown", "not held against the client"),
    ("wrapperClosesWithGuest", "  with the guest, as its dialect has it", "not held against the client"),
    ("forced", "torn down by force", "POST …/disconnect, an operator's act"),
    ("forcedBeforeProof", "  before the guest's end was shown", "not held against the client"),
    ("repeatedCloses", "closes of a guest repeated", "must be 0: no read in between"),
    ("repeatedWrapperCloses", "closes of a whole repeated", "must be 0: no read in between"),
    ("forgedSent", "forged events sent", ""),
    ("forgedAccepted", "  taken by the receiver", "must be 0"),
    ("calls", "calls of the API", "whatever the answer, logins aside"),
    ("rateLimited", "  answered with 429", "by the quota or a storm"),
    ("callsPerConversation", "  a conversation", "on average"),
    ("mostCallsForOneConversation", "  at most for one", ""),
    ("eventsPublished", "events that came about", ""),
    ("eventsLost", "  withheld by a fault", ""),
    ("deliveries", "sendings of events", "repeats included"),
    ("deliveriesGivenUp", "  given up", "the receiver never took them"),
];

/// The judgement over the run.
pub(super) fn verdict(shown: &Value, voice: &Voice) -> String {
    let columns =
        [Column::text("COUNT", "count"), Column::text("WHAT", "what"), Column::text("MEANING", "meaning")];
    answer(shown, voice, || {
        let count = |field: &str| match shown[field].as_f64() {
            Some(number) if shown[field].is_f64() => json!(format!("{number:.2}")),
            Some(_) | None => shown[field].clone(),
        };
        let rows: Vec<Value> = VERDICT
            .iter()
            .map(|(field, what, meaning)| {
                json!({ "field": field, "count": count(field), "what": what, "meaning": meaning })
            })
            .collect();
        if !is_for_people(voice) {
            let columns = [Column::text("NAME", "field"), Column::text("COUNT", "count")];
            return list(&columns, &rows, "field", voice);
        }
        let said = if shown["clean"] == json!(true) {
            "clean: nothing was closed too early, and nothing twice without a read in between"
        } else {
            "not clean: something was closed too early, or twice without a read in between"
        };
        format!("{said}\n\n{}{}", list(&columns, &rows, "field", voice), offences(shown, voice))
    })
}

fn offences(verdict: &Value, voice: &Voice) -> String {
    let offences = verdict["offences"].as_array().map_or(&[][..], Vec::as_slice);
    if offences.is_empty() {
        return String::new();
    }
    let columns = [Column::text("OFFENCE", "what"), Column::text("CONVERSATION", "conversationId")];
    format!("\n{}", list(&columns, offences, "conversationId", voice))
}

#[cfg(test)]
mod tests {
    use genesys_simulator::Simulator;

    use super::*;

    fn voice(form: Form) -> Voice {
        Voice { form, ..Voice::default() }
    }

    fn verdict_of(simulator: &Simulator) -> Value {
        serde_json::to_value(simulator.verdict()).unwrap()
    }

    #[test]
    fn every_number_of_the_verdict_is_told_with_its_meaning() {
        let simulator = Simulator::builder().build().unwrap();
        let shown = verdict_of(&simulator);
        let told: Vec<&str> = VERDICT.iter().map(|(field, _, _)| *field).collect();
        for field in shown.as_object().unwrap().keys() {
            assert!(
                told.contains(&field.as_str()) || matches!(field.as_str(), "clean" | "offences"),
                "{field}"
            );
        }
        for field in &told {
            assert!(shown[field].is_number(), "{field}");
        }
        let text = verdict(&shown, &voice(Form::Table));
        assert!(text.starts_with("clean: ") && text.contains("torn down by force"), "{text}");
    }

    #[test]
    fn an_offence_is_shown_with_its_conversation() {
        let simulator = Simulator::builder().build().unwrap();
        let mut shown = verdict_of(&simulator);
        shown["clean"] = json!(false);
        shown["offences"] = json!([{ "what": "repeated-close", "conversationId": "c-1", "atMs": 0 }]);
        let text = verdict(&shown, &voice(Form::Table));
        assert!(text.starts_with("not clean: "), "{text}");
        assert!(text.contains("repeated-close  c-1"), "{text}");
    }

    #[test]
    fn programs_get_what_the_simulator_answered() {
        let shown = json!({ "now": "2026-11-21T10:00:00Z", "offsetMs": 600_000 });
        let back: Value = serde_json::from_str(&clock(&shown, &voice(Form::Json))).unwrap();
        assert_eq!(back, shown);
        assert_eq!(clock(&shown, &voice(Form::Csv)), "now,ahead_ms\n2026-11-21T10:00:00Z,600000\n");
        assert_eq!(clock(&shown, &voice(Form::Table)), "now       2026-11-21T10:00:00Z\nahead by  10m\n");
    }

    #[test]
    fn ids_in_the_journal_are_short_in_a_table_and_whole_elsewhere() {
        let id = "de12379c-3c79-4826-8ed2-99625e071552";
        let what = format!("PATCH /api/v2/conversations/messages/{id}/participants/{id}");
        let entries = [json!({ "seq": 1, "atMs": 0, "kind": "call", "what": what, "status": 202 })];
        let table = journal(&entries, &voice(Form::Table));
        assert!(
            table.contains("PATCH /api/v2/conversations/messages/de12379c…/participants/de12379c…  202"),
            "{table}"
        );
        for form in [Form::Wide, Form::Csv, Form::Json] {
            assert!(journal(&entries, &voice(form)).contains(&what), "{form:?}");
        }
        assert_eq!(with_short_ids(&format!("v2.detail.{id}.acd.end")), "v2.detail.de12379c….acd.end");
    }

    #[test]
    fn faults_are_told_with_the_share_that_applies() {
        let shown = json!({ "seed": 7, "chaos": { "rate": 0.25, "presets": [
            { "preset": "lost-webhook" }, { "preset": "late-webhook", "rate": 1.0, "times": 2, "delayMs": 50 },
        ] } });
        let text = chaos(&shown, &voice(Form::Table));
        assert!(text.contains("lost-webhook  25 %           as usual\n"), "{text}");
        assert!(text.contains("late-webhook  100 %          2           50 ms\n"), "{text}");
        let none = chaos(&json!({ "seed": 7, "chaos": { "presets": [] } }), &voice(Form::Table));
        assert_eq!(none, "seed  7\nno faults\n");
    }

    #[test]
    fn a_conversation_is_shown_with_who_is_in_it_and_what_is_proven() {
        let simulator = Simulator::builder().build().unwrap();
        let made = simulator.create(&genesys_simulator::NewConversation::default()).unwrap()[0];
        let shown = simulator.conversation(made.conversation_id).unwrap();
        let text = conversation(&shown, "http://sim/page", &voice(Form::Table));
        for said in ["guest's page  http://sim/page\n", "customer  connected\n", "state         open\n"] {
            assert!(text.contains(said), "{said:?} is missing in\n{text}");
        }
        let mut ghost = shown.clone();
        ghost["wrapper"] = json!("closed");
        let text = conversation(&ghost, "", &voice(Form::Table));
        assert!(text.contains("open, though its wrapper was closed\n"), "{text}");
        assert_eq!(conversation(&shown, "", &voice(Form::Id)), format!("{}\n", made.conversation_id));
    }
}
