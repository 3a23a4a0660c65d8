//! `docs/transitions.md`: what follows from everything that can happen in every state, worked out by the machine itself.
//! `UPDATE=1 cargo test -p closure-machine transitions` writes it anew.

use std::{fmt::Write as _, fs, path::Path};

use closure_machine::{
    Act, AgentConnected, Closure, Effect, Event, Moment, Reply, Request, Transition, Turn, WrapUpPolicy, step,
};
use genesys_types::Span;

use crate::language::*;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/transitions.md");

#[test]
fn the_page_of_transitions_is_what_the_machine_does() {
    let page = page();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(Path::new(PAGE).parent().unwrap()).unwrap();
        fs::write(PAGE, &page).unwrap();
    }
    let written = fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        written == page,
        "docs/transitions.md is not what the machine does; write it anew with UPDATE=1 cargo test -p closure-machine transitions"
    );
}

const HEAD: &str = r"# Transitions

What a closure does next, for everything that can happen to it. **This page is worked out by the machine itself**: a test takes
one closure in each state below, lets everything happen to it, and compares what follows with this page. It is written
anew by `UPDATE=1 cargo test -p closure-machine transitions`.

```mermaid
stateDiagram-v2
    direction LR
    [*] --> verifying : command
    [*] --> scheduled : not before …
    [*] --> resolving : command by a target
    scheduled --> verifying
    resolving --> verifying : one fits
    resolving --> [*] : none, several, or open elsewhere
    verifying --> closing_participant : guest is there
    verifying --> closing_wrapper : guest is gone
    verifying --> [*] : ended, not found, refused
    closing_participant --> awaiting_confirmation : asked
    closing_participant --> verifying : refused, read again
    awaiting_confirmation --> closing_wrapper : proof
    awaiting_confirmation --> closing_participant : still there, in two reads
    closing_wrapper --> [*] : closed
    awaiting_confirmation --> ghost : no proof
    closing_wrapper --> ghost : open, refused, wrap-up
    ghost --> closing_wrapper : late proof
    ghost --> [*] : given up after 72h
```

Not drawn, because they can come from anywhere: `blocked` (a permission or the credential is missing; probed every five
minutes; goes on where it was), `closing_wrapper: forced` (an operator tears the conversation down), and the ends `cancelled` and `resolved`.

How to read the tables:

- *Call* is what is asked of Genesys in the same transition, once it is durable. A permit of the quota is at hand.
- *Next* names the state after it; `in 20s` is when the closure wants to be woken, rounded up to whole seconds where the wait
  has a jitter; nothing is said of a call in flight, which counts as lost after 20s.
- *Told* is what is announced to whoever listens.
- What is not in a table changes nothing: an answer to a call that is not in flight is stale, an event that tells nothing new
  is ignored, and an operator's act that does not fit is refused.
- The policy is the default one, except where the heading says otherwise. Every closure has one guest on one leg.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut group = "";
    for chapter in chapters() {
        if chapter.group != group {
            group = chapter.group;
            write!(page, "\n## {group}\n").expect("a String takes all");
        }
        write!(page, "\n### {}\n\n", chapter.title).expect("a String takes all");
        page.push_str(&table(&chapter.story));
    }
    page.push_str(TAIL);
    page
}

const TAIL: &str = r"
## Ends

`closed`, `already_closed`, `failed`, `cancelled` and `resolved` are ends, and an end stays an end. One thing only is noted
afterwards: when an event shows the guest there again on a leg whose end was not proven, after `closed` or `already_closed`,
the closure is marked once, `guest-returned` is told, and under `guest_returns = once` or `up_to_3` a closure of the same
conversation is opened that follows this one: one closure at most for each that ended, and one or three at most in a row.
";

struct Chapter {
    group: &'static str,
    title: &'static str,
    story: Story,
}

/// One closure for each state, as a story leads to it.
fn chapters() -> Vec<Chapter> {
    let mut group = "";
    let mut chapters = Vec::new();
    let mut add = |next: &'static str, title, story| {
        group = if next.is_empty() { group } else { next };
        chapters.push(Chapter { group, title, story });
    };
    let later = |story: Story| story.later(2);
    add("scheduled", "waiting for its time", Story::not_before(Span::from_secs(3_600)));
    add("resolving", "the lookup is in flight", later(Story::seeking()));
    add("", "nothing fits yet", Story::seeking().answers(fit(&[])));
    add("verifying", "the read is in flight", later(Story::begin()));
    add("", "the next read waits for its time", Story::begin().answers(Reply::Failed));
    add("", "an agent is waited for (`agent_connected = wait`)", waiting_for_an_agent());
    add(
        "closing_participant",
        "the close of the guest is in flight",
        later(Story::begin().sees(guest_is_on())),
    );
    add("", "the same, after a pause for the quota", paused());
    add("awaiting_confirmation", "waiting for an event", later(Story::begin().closes_the_guest()));
    add("", "the first read-back is in flight", Story::begin().closes_the_guest().wakes());
    add(
        "",
        "the second read-back is in flight",
        Story::begin().closes_the_guest().wakes().sees(guest_is_on()).wakes(),
    );
    add("closing_wrapper", "the close of the wrapper is in flight", later(at_the_wrapper()));
    add("", "its outcome is to be read", at_the_wrapper().answers(Reply::Failed));
    add("", "its outcome is being read", at_the_wrapper().answers(Reply::Failed).wakes());
    add("", "the wrap-up is in flight (`wrap_up = skip`)", giving_a_wrap_up());
    add(
        "closing_wrapper: forced",
        "the teardown is in flight",
        later(Story::begin().sees(guest_is_on()).acts(Act::Force)),
    );
    add("blocked", "waiting for the next probe", blocked());
    add("", "the probe is in flight", blocked().wakes());
    add("ghost", "no_confirmation, between two looks", later(Story::begin().becomes_a_ghost()));
    add("", "no_confirmation, the look is in flight", Story::begin().becomes_a_ghost().wakes());
    add("", "conversation_open, the look is in flight", open().wakes());
    chapters
}

fn at_the_wrapper() -> Story {
    Story::begin().closes_the_guest().hears(guest_left(TAB))
}

fn paused() -> Story {
    Story::begin().sees(guest_is_on()).answers(Reply::RateLimited(Span::from_secs(60))).later(1)
}

fn blocked() -> Story {
    Story::begin().sees(guest_is_on()).answers(Reply::Forbidden(None)).later(1)
}

fn waiting_for_an_agent() -> Story {
    Story::under(|policy| policy.agent_connected = AgentConnected::Wait)
        .sees(scene().guest_on(TAB).agent_on())
        .later(1)
}

fn giving_a_wrap_up() -> Story {
    let owing = scene().guest_left(TAB).agent_left().owing_a_wrap_up().queue_on();
    Story::under(|policy| policy.wrap_up = WrapUpPolicy::Skip).sees(owing).answers(Reply::WrapUpRequired)
}

fn open() -> Story {
    let mut story = at_the_wrapper();
    while story.haunted().is_none() {
        story = match story.closure.turn {
            Turn::InFlight { request: Request::Read, .. } => story.sees(guest_is_gone()),
            Turn::InFlight { .. } => story.answers(Reply::Accepted(Some(guest_is_gone()))),
            Turn::Due { .. } | Turn::Over => story.wakes(),
        };
    }
    story
}

/// Everything that can happen to `story`, in words.
fn happenings(story: &Story) -> Vec<(String, Event, Span)> {
    let mut all = Vec::new();
    let wake_at = story.closure.wake_at().expect("the closure is open");
    let woken = match story.closure.turn {
        Turn::InFlight { .. } => "no answer comes in time",
        Turn::Due { .. } | Turn::Over => "its time comes",
    };
    all.push((woken.to_owned(), Event::Woke, wake_at.since(story.now)));
    if let Turn::InFlight { call, request, .. } = story.closure.turn {
        for (words, reply) in replies(request) {
            all.push((words.to_owned(), Event::Replied { call, reply }, Span::ZERO));
        }
    }
    for (words, word) in news() {
        all.push((words.to_owned(), Event::Heard(word.at(story.now)), Span::ZERO));
    }
    all.push(("events may have been lost".to_owned(), Event::Missed, Span::ZERO));
    let acts = [Act::Retry, Act::Verify, Act::Force, Act::Cancel, Act::Resolve, Act::Note];
    all.extend(acts.map(|act| {
        let name = format!("{act:?}").to_lowercase();
        (format!("operator: {name}"), Event::Act(act), Span::ZERO)
    }));
    all
}

fn replies(request: Request) -> Vec<(&'static str, Reply)> {
    let mut replies = match request {
        Request::LookUp => vec![
            ("one open conversation fits", fit(&[CONVERSATION])),
            ("one fits, and another closure is open for it", taken()),
            ("none fits", fit(&[])),
            ("two fit", fit(&[CONVERSATION, OTHER_CONVERSATION])),
            ("400", Reply::Rejected),
        ],
        Request::Read => vec![
            ("the read shows the guest", Reply::Saw(guest_is_on())),
            ("the read shows the guest gone, and others", Reply::Saw(guest_is_gone())),
            ("the read shows the guest back on another leg", Reply::Saw(guest_is_gone().guest_on(RELOADED))),
            ("the read shows the guest and an agent", Reply::Saw(scene().guest_on(TAB).agent_on())),
            ("the read shows nobody", Reply::Saw(scene())),
            ("the read shows the end", Reply::Saw(all_is_over())),
        ],
        Request::CloseWrapper(_) => vec![
            ("2xx", Reply::Accepted(None)),
            ("2xx, and the queue is shown still there", Reply::Accepted(Some(guest_is_gone()))),
            ("400, a wrap-up is required", Reply::WrapUpRequired),
        ],
        Request::GiveWrapUp { .. } => {
            vec![("2xx", Reply::Accepted(None)), ("the name means no code of the queue", Reply::NoWrapUpCode)]
        }
        Request::CloseParticipant(_) | Request::Disconnect => vec![("2xx", Reply::Accepted(None))],
    };
    if request.is_write() {
        replies.extend([("400", Reply::Rejected), ("409", Reply::Conflict)]);
    }
    replies.extend([
        ("401, twice", Reply::Unauthenticated),
        ("403", Reply::Forbidden(None)),
        ("404", Reply::NotFound),
        ("429, after a minute", Reply::RateLimited(Span::from_secs(60))),
        ("5xx", Reply::Failed),
        ("it never left", Reply::NotSent),
        ("an answer that cannot be read", Reply::Unknown),
    ]);
    replies
}

fn news() -> Vec<(&'static str, Word)> {
    vec![
        ("event: the guest's leg ended", guest_left(TAB)),
        ("event: the guest ended, no leg named", participant_left(GUEST)),
        ("event: the same, from before we asked", participant_left(GUEST).of(Span::from_secs(3_600))),
        ("event: somebody ended, nobody named", somebody_left()),
        ("event: the guest is back on another leg", conversation(guest_is_on().guest_on(RELOADED))),
        ("event: the conversation ended", conversation(all_is_over())),
    ]
}

fn table(story: &Story) -> String {
    let mut rows: Vec<[String; 4]> = Vec::new();
    for (words, event, after) in happenings(story) {
        let now = story.now + after;
        let moment = Moment { now, may_call: true };
        if let Ok(transition) = step(&story.closure, &event, &story.policy, moment) {
            let [next, call, told] = outcome(&transition, now);
            rows.push([words, next, call, told]);
        }
    }
    let head = ["When", "Next", "Call", "Told"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths = [0, 1, 2, 3].map(width);
    let mut table = String::new();
    let mut line = |row: &[String; 4]| {
        for (cell, width) in row.iter().zip(widths) {
            write!(table, "| {cell:width$} ").expect("a String takes all");
        }
        table.push_str("|\n");
    };
    line(&head);
    line(&widths.map(|width| "-".repeat(width)));
    rows.iter().for_each(line);
    table
}

fn outcome(transition: &Transition, now: genesys_types::Time) -> [String; 3] {
    let call = transition.effects.iter().find_map(|effect| match effect {
        Effect::Call(call) => Some(request_name(call.request).to_owned()),
        Effect::Announce(_) | Effect::Follow => None,
    });
    let told: Vec<&str> = transition
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Announce(told) => Some(told_name(*told)),
            Effect::Call(_) | Effect::Follow => None,
        })
        .collect();
    [next(&transition.next, now), call.unwrap_or_default(), told.join(", ")]
}

fn next(closure: &Closure, now: genesys_types::Time) -> String {
    let name = step_name(closure);
    match closure.turn {
        Turn::Due { at } if at > now => {
            let wait = Span::from_secs(at.since(now).millis().div_ceil(1_000));
            format!("`{name}` in {wait}")
        }
        Turn::Due { .. } => format!("`{name}` at once"),
        Turn::InFlight { .. } | Turn::Over => format!("`{name}`"),
    }
}
