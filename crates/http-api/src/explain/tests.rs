//! The words are read whole, as an operator reads them.

use std::sync::Arc;

use closure_machine::{
    Act, Block, BlockReason, CallId, Closure, Command, End, Ending, Evidence, FailReason, Ghost, GhostReason,
    GuestLeg, Moment, Policy, Proof, ProofSource, Request, Resume, Step, Subject, Turn, WrapUpPolicy,
    WrapperStage, accept,
};
use genesys_types::{CommunicationId, ConversationId, ParticipantId, Span, Time};
use orchestrator::{Answered, Asks, Entry, HeardLine, OperatorLine, Record, Seen, TimelineLine};
use uuid::Uuid;

use super::*;

const NOW: Time = Time::from_millis(1_795_252_504_712);

/// A closure whose guest's close was accepted half a minute ago, then changed.
fn record(change: impl FnOnce(&mut Closure)) -> Record {
    let command = Command {
        subject: Subject::Conversation(ConversationId::from_uuid(Uuid::from_u128(1))),
        participant: None,
        not_before: None,
        follows: 0,
    };
    let accepted_at = NOW - Span::from_secs(31);
    let mut closure = accept(&command, &Policy::default(), Moment { now: accepted_at, may_call: true }).next;
    closure.guests.push(GuestLeg {
        participant: ParticipantId::from_uuid(Uuid::from_u128(2)),
        communication: Some(CommunicationId::from_uuid(Uuid::from_u128(3))),
        asked_at: Some(NOW - Span::from_secs(30)),
        accepted: true,
        gone: None,
    });
    closure.calls = 2;
    closure.first_asked_at = Some(NOW - Span::from_secs(30));
    closure.rounds = 1;
    closure.step = Step::AwaitingConfirmation;
    closure.turn = Turn::Due { at: NOW + Span::from_secs(90) };
    change(&mut closure);
    Record {
        key: Uuid::from_u128(4),
        organisation: "main".parse().unwrap(),
        closure,
        said: None,
        source: Arc::from("http"),
        updated_at: NOW,
        confirmed_by: None,
        participant_closed_at: Some(NOW - Span::from_secs(30)),
        follows: None,
        followed_by: None,
        further_requests: 0,
        handling: None,
        seen_in: None,
        correlations: None,
    }
}

fn explain(record: &Record, lines: &[TimelineLine]) -> Explanation {
    explain_under(record, &Policy::default(), lines)
}

fn explain_under(record: &Record, policy: &Policy, lines: &[TimelineLine]) -> Explanation {
    Explanation::of(&Case { record, policy, organisation: None, before: None, now: NOW }, lines)
}

fn line(kind: &str, entry: Entry) -> TimelineLine {
    TimelineLine { position: 1, sequence: 1, at: NOW, kind: kind.to_owned(), entry }
}

fn answered(reply: &str, status: Option<u16>) -> Answered {
    Answered {
        call: 2,
        request: "close_participant".to_owned(),
        reply: reply.to_owned(),
        status,
        code: None,
        message: None,
        correlation_id: None,
        missing_permission: None,
        took_ms: 45,
        saw: None,
        found: None,
    }
}

fn ghost(reason: GhostReason) -> Record {
    record(|closure| {
        let ghost = Ghost { reason, since: NOW - Span::from_secs(7_200), looks: 4 };
        closure.step = Step::Ghost(ghost);
        closure.haunted = Some(ghost);
    })
}

fn failed(reason: FailReason) -> Record {
    record(|closure| {
        closure.step = Step::Ended(Ending { end: End::Failed(reason), at: NOW });
        closure.turn = Turn::Over;
    })
}

fn acts(explanation: &Explanation) -> Vec<&str> {
    explanation
        .next
        .iter()
        .filter_map(Advice::command)
        .filter_map(|command| command.split(' ').nth(1))
        .collect()
}

#[test]
fn a_closure_that_waits_for_its_event_says_so_in_full() {
    let record = record(|_| {});
    let lines = [
        line(
            "accepted",
            Entry {
                to: "verifying".to_owned(),
                asks: Some(Asks {
                    call: 1,
                    request: "read".to_owned(),
                    participant: None,
                    http: "GET /api/v2/conversations/c".to_owned(),
                }),
                ..Entry::default()
            },
        ),
        line(
            "replied",
            Entry {
                from: Some("closing_participant".to_owned()),
                to: "awaiting_confirmation".to_owned(),
                answered: Some(answered("accepted", Some(202))),
                ..Entry::default()
            },
        ),
    ];
    let explanation = explain(&record, &lines);
    let id = closure_id(record.key);
    assert_eq!(
        explanation.text,
        format!(
            "{id}  conversation 00000000-0000-0000-0000-000000000001\n\
             \n\
             Genesys accepted the guest's close at 2026-11-21T09:14:34.712Z (30 s ago). That is no proof: what shows that \
             the guest is gone is still awaited.\n\
             It stands so since 2026-11-21T09:15:04.712Z (0 ms ago).\n\
             Next by itself: the conversation is read at 2026-11-21T09:16:34.712Z (in 90 s); evidence that arrives earlier \
             moves it on at once.\n\
             \n\
             Missing:\n\
             \x20 - That the guest 00000000-0000-0000-0000-000000000002 left its session \
             00000000-0000-0000-0000-000000000003: an event that names it, or a read that shows it disconnected.\n\
             \x20 - That the conversation itself is closed: an accepted close that nothing contradicts, or a read that shows \
             its end.\n\
             \n\
             What can be done:\n\
             \x20 - Read the conversation now instead of later; it changes nothing at Genesys.\n\
             \x20     closeout verify {id}\n\
             \x20 - Call it off and leave the conversation as it is.\n\
             \x20     closeout cancel {id}\n\
             \n\
             What happened:\n\
             \x20 2026-11-21T09:15:04.712Z  The command was accepted and stored. Asked: GET /api/v2/conversations/c.\n\
             \x20 2026-11-21T09:15:04.712Z  Genesys accepted the guest's close (202, 45 ms). That is no proof yet. Now: \
             awaiting confirmation.\n"
        )
    );
}

#[test]
fn a_wrap_up_that_was_not_given_says_why() {
    let named = Policy { wrap_up: WrapUpPolicy::Named("Clsoed".into()), ..Policy::default() };
    let why = "the queue q has no wrap-up code named \"Clsoed\"; it has \"Closed\", \"Resolved\"";
    let answered = Answered {
        request: "give_wrap_up".to_owned(),
        message: Some(why.to_owned()),
        ..answered("no_wrap_up_code", None)
    };
    let entry = Entry { to: "ghost".to_owned(), answered: Some(answered), ..Entry::default() };
    let told = explain_under(&ghost(GhostReason::WrapUpPending), &named, &[line("replied", entry)]);
    assert_eq!(
        told.headline,
        format!(
            "A ghost: Genesys demands a wrap-up before the conversation closes, and none was given: {why}."
        )
    );
    assert!(told.text.contains("Genesys was not asked to take one"), "{}", told.text);
    let unsent = Answered {
        request: "close_wrapper".to_owned(),
        message: Some(format!("not sent: {why}")),
        ..self::answered("wrapup_required", None)
    };
    let entry = Entry { to: "ghost".to_owned(), answered: Some(unsent), ..Entry::default() };
    let with_the_close = explain_under(&ghost(GhostReason::WrapUpPending), &named, &[line("replied", entry)]);
    assert_eq!(with_the_close.headline, told.headline, "a close that carries the code");
    let without = explain_under(&ghost(GhostReason::WrapUpPending), &Policy::default(), &[]);
    assert!(without.headline.ends_with("and none is configured."), "{}", without.headline);
    let untold = explain_under(&ghost(GhostReason::WrapUpPending), &named, &[]);
    assert!(untold.headline.contains("was not taken"), "{}", untold.headline);
}

#[test]
fn a_ghost_says_so_where_the_latest_look_failed() {
    let failed = Answered { request: "read".to_owned(), ..answered("not_sent", None) };
    let entry = |answered| Entry { to: "ghost".to_owned(), answered: Some(answered), ..Entry::default() };
    let failed = line("replied", entry(failed));
    let headline = explain(&ghost(GhostReason::NoConfirmation), std::slice::from_ref(&failed)).headline;
    assert!(
        headline.ends_with(
            "gone. The latest look showed nothing. Genesys could not be reached; the read never left (45 ms)."
        ),
        "{headline}"
    );
    let close = line("replied", entry(answered("accepted", Some(202))));
    let later = explain(&ghost(GhostReason::NoConfirmation), &[failed, close]).headline;
    assert!(!later.contains("The latest look"), "{later}");
}

#[test]
fn every_ghost_says_what_is_missing_since_when_and_offers_what_fits() {
    for (reason, words, first) in [
        (GhostReason::NoConfirmation, "nothing shows that the guest is gone", "verify"),
        (GhostReason::ConversationOpen, "stays open", "retry"),
        (GhostReason::AgentStillConnected, "an agent is still connected", "verify"),
        (GhostReason::WrapUpPending, "demands a wrap-up", "verify"),
        (GhostReason::ConfirmationMismatch, "reads show the guest connected", "verify"),
        (GhostReason::ReopenedByGuest, "all 3 rounds", "retry"),
        (GhostReason::Rejected, "refuses the close", "retry"),
        (GhostReason::Unreachable, "could not be reached", "verify"),
    ] {
        let explanation = explain(&ghost(reason), &[]);
        assert!(explanation.headline.starts_with("A ghost: "), "{}", explanation.headline);
        assert!(explanation.headline.contains(words), "{}", explanation.headline);
        assert_eq!(explanation.since.0, NOW - Span::from_secs(7_200));
        assert!(explanation.text.contains("(2 h ago)"), "{}", explanation.text);
        let acts = acts(&explanation);
        assert_eq!(acts.first(), Some(&first), "{reason:?}");
        for act in ["force", "resolve", "cancel"] {
            assert!(acts.contains(&act), "{reason:?} does not offer {act}");
        }
    }
}

#[test]
fn an_act_is_offered_only_when_the_machine_takes_it() {
    let in_flight = record(|closure| {
        closure.turn =
            Turn::InFlight { call: CallId(3), request: Request::Read, until: NOW + Span::from_secs(5) };
    });
    let explanation = explain(&in_flight, &[]);
    assert_eq!(acts(&explanation), ["cancel"], "a read is in flight already");
    assert_eq!(
        explanation.waits_for.as_deref(),
        Some(
            "It waits for the answer to the read, which counts as lost at 2026-11-21T09:15:09.712Z (in 5 s)."
        )
    );
}

#[test]
fn a_blocked_closure_names_the_permission_and_where_to_give_it() {
    let blocked = |why| {
        record(|closure| {
            closure.step = Step::Blocked(Block { why, resume: Resume::Verifying, since: NOW });
        })
    };
    let permission = "conversation:communication:disconnect";
    let named = explain(&blocked(BlockReason::Permission(Some(permission.into()))), &[]);
    assert!(named.headline.contains(permission) && named.headline.contains("Nothing is lost"));
    assert!(named.next[0].what().contains(permission));
    assert_eq!(acts(&named), ["retry", "cancel"]);
    let credential = explain(&blocked(BlockReason::Credential), &[]);
    assert!(credential.headline.contains("credential"));
    assert!(credential.next[0].what().contains("closeout doctor --online"));
}

#[test]
fn every_end_says_how_it_came_and_lacks_nothing() {
    for (reason, words) in [
        (FailReason::NotFound, "knows no conversation"),
        (FailReason::ParticipantNotFound, "no guest"),
        (FailReason::ParticipantNotGuest, "an agent, a queue or a flow"),
        (FailReason::AgentConnected, "the policy is to refuse"),
        (FailReason::Abandoned, "no proof came"),
    ] {
        let explanation = explain(&failed(reason), &[]);
        assert!(explanation.headline.contains(words), "{}", explanation.headline);
        assert!(!explanation.next.is_empty(), "{reason:?} offers nothing");
        assert_eq!((explanation.waits_for, explanation.missing), (None, Vec::new()));
    }
    let resolved = record(|closure| {
        closure.step = Step::Ended(Ending { end: End::Resolved, at: NOW });
        closure.turn = Turn::Over;
    });
    let act = OperatorLine {
        act: "resolve".to_owned(),
        by: "ana".to_owned(),
        reason: Some("seen".to_owned()),
        until: None,
        taken_over_from: None,
        batch: None,
    };
    let lines = [line("acted", Entry { to: "resolved".to_owned(), operator: Some(act), ..Entry::default() })];
    let explanation = explain(&resolved, &lines);
    assert_eq!(
        explanation.headline,
        "Settled by ana: \"seen\". That is an operator's word; there is no other proof. Nothing shows that the conversation \
         itself is closed at Genesys."
    );
    let shown = Some(Proof { source: ProofSource::ReadBack, at: NOW, before_asking: false });
    let ended = Record { closure: Closure { ended: shown, ..resolved.closure.clone() }, ..resolved };
    assert!(explain(&ended, &lines).headline.ends_with("there is no other proof."), "a read showed its end");
    assert_eq!(explanation.story[0].says, "ana ordered resolve: \"seen\".");
}

#[test]
fn a_proof_that_waits_for_a_read_is_not_still_awaited() {
    let record = record(|closure| {
        let at = NOW - Span::from_secs(1);
        closure.guests[0].gone = Some(Proof { source: ProofSource::Webhook, at, before_asking: false });
        closure.turn =
            Turn::InFlight { call: CallId(3), request: Request::Read, until: NOW + Span::from_secs(19) };
    });
    let explanation = explain(&record, &[]);
    assert!(explanation.headline.starts_with("The guest is gone"), "{}", explanation.headline);
    assert!(explanation.headline.contains("Before the conversation itself is closed"));
    assert!(!explanation.text.contains("awaited"), "{}", explanation.text);
}

#[test]
fn a_policy_that_takes_events_only_says_so() {
    let policy = Policy { evidence: Evidence::WebhookOnly, ..Policy::default() };
    let explanation = explain_under(&record(|_| {}), &policy, &[]);
    assert!(explanation.missing[0].ends_with("an event that names it (the policy takes no read for it)."));
}

#[test]
fn a_line_tells_what_genesys_said_and_whom_to_ask() {
    let refused = Answered {
        code: Some("missing.permissions".to_owned()),
        message: Some("You are missing it".to_owned()),
        correlation_id: Some("c-1".to_owned()),
        missing_permission: Some("conversation:communication:disconnect".to_owned()),
        ..answered("forbidden", Some(403))
    };
    for (answer, sentence) in [
        (
            refused,
            "Genesys refused the guest's close: the permission conversation:communication:disconnect is missing (403 \
             missing.permissions, \"You are missing it\", correlation id c-1, 45 ms).",
        ),
        (
            answered("unknown", None),
            "What became of the guest's close is unknown: no answer came that can be read (45 ms).",
        ),
        (
            answered("rate_limited", Some(429)),
            "Genesys put the guest's close off: the quota is used up (429, 45 ms).",
        ),
        (
            Answered {
                request: "read".to_owned(),
                saw: Some(Seen { ended: false, legs: vec!["customer connected".to_owned()] }),
                ..answered("saw", Some(200))
            },
            "The read showed customer connected (200, 45 ms).",
        ),
    ] {
        let to = "verifying".to_owned();
        let entry = Entry { from: Some(to.clone()), to, answered: Some(answer), ..Entry::default() };
        assert_eq!(story::sentence(&line("replied", entry), &story::Calls::of(&[])), sentence);
    }
    let heard = HeardLine {
        kind: "webhook".to_owned(),
        adapter: "eventbridge".to_owned(),
        event_type: "customer.end".to_owned(),
        event_id: "e-1".to_owned(),
        occurred_at: NOW.millis(),
        participant: None,
        communication: None,
        saw: None,
    };
    let entry = Entry {
        from: Some("awaiting_confirmation".to_owned()),
        to: "closing_wrapper".to_owned(),
        heard: Some(heard),
        ..Entry::default()
    };
    assert_eq!(
        story::sentence(&line("heard", entry), &story::Calls::of(&[])),
        "A webhook by way of \"eventbridge\" said that the guest left (customer.end, event e-1). Now: closing wrapper."
    );
}

#[test]
fn every_state_has_a_headline_of_whole_sentences() {
    let steps = [
        Step::Scheduled,
        Step::Verifying,
        Step::ClosingParticipant,
        Step::AwaitingConfirmation,
        Step::ClosingWrapper(WrapperStage::Ask),
        Step::ClosingWrapper(WrapperStage::Look),
        Step::ClosingWrapper(WrapperStage::WrapUp),
        Step::Forcing,
    ];
    for step in steps {
        let record = record(|closure| closure.step = step.clone());
        let explanation = explain(&record, &[]);
        assert!(explanation.headline.ends_with('.') && explanation.headline.len() > 30, "{step:?}");
        assert!(explanation.waits_for.is_some(), "{step:?}");
        assert!(acts(&explanation).contains(&"cancel"), "{step:?}");
    }
}

#[test]
fn only_force_and_resolve_need_a_reason() {
    let all = [Act::Retry, Act::Cancel, Act::Verify, Act::Force, Act::Resolve, Act::Note];
    assert_eq!(all.map(needs_reason), [false, false, false, true, true, false]);
}

#[test]
fn a_call_counts_as_sent_only_where_an_answer_shows_it() {
    let asked = Entry {
        to: "verifying".to_owned(),
        asks: Some(Asks {
            call: 2,
            request: "read".to_owned(),
            participant: None,
            http: "GET /api/v2/conversations/c".to_owned(),
        }),
        ..Entry::default()
    };
    for (answer, verb) in [
        (Some(answered("saw", Some(200))), "Sent"),
        (Some(answered("unauthenticated", Some(400))), "Asked"),
        (Some(answered("not_sent", None)), "Asked"),
        (Some(answered("unknown", None)), "Asked"),
        (None, "Asked"),
    ] {
        let mut lines = vec![line("accepted", asked.clone())];
        lines.extend(
            answer.map(|answer| line("replied", Entry { answered: Some(answer), ..Entry::default() })),
        );
        let says = sentences(&lines);
        assert!(says[0].ends_with(&format!("{verb}: GET /api/v2/conversations/c.")), "{}", says[0]);
    }
}

#[test]
fn an_end_before_its_wrap_up_does_not_claim_that_the_conversation_is_closed() {
    let closed = |accepted| {
        record(|closure| {
            closure.wrapper_accepted = accepted;
            closure.wrap_up = genesys_types::WrapUp::Pending;
            closure.step = Step::Ended(Ending { end: End::Closed, at: NOW });
            closure.turn = Turn::Over;
        })
    };
    let accepted = explain(&closed(true), &[]).headline;
    assert!(
        accepted.contains("the close of the conversation was accepted; an agent still owes a wrap-up"),
        "{accepted}"
    );
    for headline in [accepted, explain(&closed(false), &[]).headline] {
        assert!(!headline.contains("conversation is closed"), "{headline}");
        assert!(headline.contains("an agent still owes a wrap-up"), "{headline}");
    }
}

fn explain_held(record: &Record, paused: bool, refused: Option<BlockReason>) -> Explanation {
    explain_beside(record, paused, refused, false)
}

fn explain_beside(
    record: &Record,
    paused: bool,
    refused: Option<BlockReason>,
    has_others: bool,
) -> Explanation {
    let standing = Standing {
        has_others,
        status: orchestrator::OrganisationStatus {
            name: "main".parse().unwrap(),
            open: 1,
            ready: 1,
            blocked_until: refused.as_ref().map(|_| NOW + Span::from_secs(60)),
            paused,
            reads_alone_until: None,
        },
        refused,
    };
    let case =
        Case { record, policy: &Policy::default(), organisation: Some(&standing), before: None, now: NOW };
    Explanation::of(&case, &[])
}

#[test]
fn a_paused_organisation_is_resumed_before_anything_else() {
    for record in [ghost(GhostReason::NoConfirmation), record(|_| {})] {
        let explanation = explain_held(&record, true, None);
        let first = &explanation.next[0];
        assert_eq!(first.command(), Some("closeout outgoing resume --organisation main"));
        assert!(explanation.text.contains("paused"), "{}", explanation.text);
        for act in ["verify", "retry", "force"] {
            assert!(!acts(&explanation).contains(&act), "{act} would call Genesys");
        }
        assert!(acts(&explanation).contains(&"cancel"));
    }
    assert!(explain_held(&failed(FailReason::NotFound), true, None).next[0].what().starts_with("Check"));
}

#[test]
fn a_refused_organisation_says_why_and_what_to_check_before_anything_else() {
    let permission = BlockReason::Permission(Some("conversation:communication:view".into()));
    for (why, words) in
        [(BlockReason::Credential, "credential"), (permission, "conversation:communication:view")]
    {
        let ghost = explain_held(&ghost(GhostReason::NoConfirmation), false, Some(why.clone()));
        assert!(ghost.next[1].what().contains(words), "{:?}", ghost.next);
        assert_eq!(ghost.next[1].command(), Some("closeout outgoing status --organisation main"));
        assert!(ghost.next[2].what().starts_with("Once that is done: Read"), "{:?}", ghost.next);
        let blocked = record(|closure| {
            closure.step = Step::Blocked(Block { why: why.clone(), resume: Resume::Verifying, since: NOW });
        });
        let blocked = explain_held(&blocked, false, Some(why));
        assert_eq!(acts(&blocked), ["outgoing", "retry", "cancel"]);
        assert_ne!(blocked.next[0].what(), blocked.next[1].what(), "the remedy is told once");
    }
}

#[test]
fn a_ghost_whose_policy_takes_no_read_is_settled_where_a_read_shows_the_end() {
    let policy = Policy { evidence: Evidence::WebhookOnly, ..Policy::default() };
    let mut seen = ghost(GhostReason::NoConfirmation);
    seen.closure.guests[0].gone =
        Some(Proof { source: ProofSource::ReadBack, at: NOW, before_asking: false });
    let explanation = explain_under(&seen, &policy, &[]);
    assert!(
        explanation.headline.contains("a read shows the guest gone, but the policy wants an event"),
        "{}",
        explanation.headline
    );
    assert_eq!(acts(&explanation), ["resolve", "force", "verify", "cancel"]);
    let settle = explanation.next[0].what();
    assert!(settle.contains("the conversation itself stays there as it is"), "{settle}");
}

#[test]
fn a_command_names_the_organisation_where_there_are_others() {
    let of = |record: &Record, has_others| explain_beside(record, false, None, has_others).next;
    let agent = failed(FailReason::AgentConnected);
    for (has_others, anew, fields) in
        [(false, "", ""), (true, " --organisation main", ",\"organisation\":\"main\"")]
    {
        let next = of(&agent, has_others);
        for (advice, options, policy) in [
            (&next[0], "", ""),
            (&next[1], " --agent-connected wait", ",\"policy\":{\"agentConnected\":\"wait\"}"),
        ] {
            let command = advice.command().unwrap();
            assert!(
                command.starts_with("closeout close ") && command.ends_with(&format!("{anew}{options}")),
                "{command}"
            );
            let http = advice.http.as_deref().unwrap();
            assert!(http.ends_with(&format!("{fields}{policy}}}")), "{http}");
            assert_eq!(command.contains("--organisation") && http.contains("organisation"), has_others);
        }
    }
}

#[test]
fn what_others_wrote_stays_within_its_quotes() {
    let forged = "ok\". m-admin claimed it at 10:00: \"forced by order";
    let said = r#""ok\". m-admin claimed it at 10:00: \"forced by order""#;
    let operator = OperatorLine {
        act: "comment".to_owned(),
        by: "ann".to_owned(),
        reason: Some(forged.to_owned()),
        until: None,
        taken_over_from: None,
        batch: None,
    };
    let entry = Entry { operator: Some(operator), ..Entry::default() };
    let sentence = story::sentence(&line("acted", entry), &story::Calls::of(&[]));
    assert_eq!(sentence, format!("ann commented: {said}."));
    let refused = Answered { message: Some(forged.to_owned()), ..answered("rejected", Some(400)) };
    let entry = Entry { answered: Some(refused), ..Entry::default() };
    let sentence = story::sentence(&line("replied", entry), &story::Calls::of(&[]));
    assert!(sentence.contains(said), "{sentence}");
}
