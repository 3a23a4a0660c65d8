//! Pictures as golden text.

use std::time::Duration;

use jiff::Timestamp;
use ratatui::{Terminal, backend::TestBackend};

use super::{
    draw::{self, Picture},
    hold::{Hold, Pause, Why},
    snapshot::{Adapter, Ghost, Quota, Snapshot, Source},
    view::{Over, View},
};

fn at(text: &str) -> Timestamp {
    format!("2026-11-28T{text}Z").parse().unwrap()
}

fn snapshot() -> Snapshot {
    let ghost = |number: u8, reason: &str, since: &str| Ghost {
        id: format!("cl_01m8hkdj4pe0bs46834kqc0gj{number}"),
        conversation: format!("6a3efddd-117b-4b22-9f22-05bc7633000{number}"),
        reason: reason.to_owned(),
        since: Some(at(since)),
        next_look: Some(at("12:05:00")),
    };
    Snapshot {
        server: "http://127.0.0.1:8080".to_owned(),
        at: at("12:00:00"),
        open: vec![
            ("verifying".to_owned(), 12),
            ("awaiting_confirmation".to_owned(), 7),
            ("ghost".to_owned(), 3),
        ],
        oldest: Some(("ghost".to_owned(), 5_400)),
        ended: vec![("closed".to_owned(), 4_021), ("failed".to_owned(), 2)],
        reasons: vec![("no_confirmation".to_owned(), 2), ("wrapup_pending".to_owned(), 1)],
        quota: vec![Quota { organisation: "main".to_owned(), left: Some(212), calls: 12_000 }],
        adapters: vec![
            Adapter {
                name: "eventbridge".to_owned(),
                lag_ms: Some(840),
                per_minute: 31.0,
                last_event: Some(at("11:59:58")),
                silent: false,
            },
            Adapter {
                name: "socket".to_owned(),
                silent: true,
                last_event: Some(at("11:40:00")),
                ..Adapter::default()
            },
        ],
        sources: vec![Source { name: "orders".to_owned(), state: "running".to_owned(), waiting: Some(14) }],
        ghosts: vec![
            ghost(1, "no_confirmation", "10:30:00"),
            ghost(2, "wrapup_pending", "11:55:00"),
            ghost(3, "no_confirmation", "11:59:30"),
        ],
        held: Vec::new(),
        quarantined: 0,
    }
}

fn picture(width: u16, height: u16, snapshot: &Snapshot, view: &View) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let picture = Picture {
        snapshot,
        rates: Some((8.5, 88.0)),
        view,
        every: Duration::from_secs(1),
        colour: true,
        now: at("12:00:00"),
    };
    terminal.draw(|frame| draw::draw(&picture, frame.area(), frame.buffer_mut())).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(width));
    let lines =
        rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned() + "\n");
    lines.collect()
}

fn golden(name: &str) -> String {
    std::fs::read_to_string(format!("{}/src/top/golden/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn the_usual_terminal() {
    let view = View { row: 1, ..View::default() };
    let seen = picture(80, 24, &snapshot(), &view);
    assert_eq!(seen, golden("80x24.txt"), "\n{seen}");
}

#[test]
fn a_narrow_one() {
    let seen = picture(44, 20, &snapshot(), &View::default());
    assert_eq!(seen, golden("44x20.txt"), "\n{seen}");
}

#[test]
fn a_very_wide_one_has_the_ids() {
    let seen = picture(130, 24, &snapshot(), &View::default());
    assert!(seen.contains("cl_01m8hkdj4pe0bs46834kqc0gj2"), "{seen}");
}

#[test]
fn what_lies_over_the_list() {
    let text = "cl_1  conversation 6a3efddd\n\nA ghost: no event came.\n".to_owned() + &"line\n".repeat(40);
    let explained =
        View { over: Over::Explanation { id: "cl_1".to_owned(), text, from: 2 }, ..View::default() };
    let seen = picture(80, 24, &snapshot(), &explained);
    assert!(seen.contains("Explanation") && seen.contains("A ghost: no event came."), "{seen}");
    assert!(!seen.contains("conversation 6a3efddd") && !seen.contains("wrapup_pending"), "{seen}");
    let help = View { over: Over::Help, ..View::default() };
    let seen = picture(80, 24, &snapshot(), &help);
    assert!(seen.contains("look at it again now (retry)"), "{seen}");
    let question = View { over: Over::Question { id: "cl_1".to_owned() }, ..View::default() };
    let seen = picture(80, 24, &snapshot(), &question);
    assert!(seen.contains("Look at cl_1 again now? y/n") && seen.contains("wrapup_pending"), "{seen}");
}

#[test]
fn what_is_wrong_is_said() {
    let lost = View { problem: Some("http://x cannot be reached".to_owned()), ..View::default() };
    let seen = picture(80, 24, &snapshot(), &lost);
    assert!(seen.contains("Not current: http://x cannot be reached"), "{seen}");
    let broken = Snapshot { quarantined: 2, ..snapshot() };
    assert!(picture(80, 24, &broken, &View::default()).contains("unreadable records 2"));
    let empty = picture(80, 24, &Snapshot::default(), &View::default());
    assert!(empty.contains("Nothing.") && empty.contains("Open 0"), "{empty}");
}

#[test]
fn that_nothing_goes_out_stands_above_all_else() {
    let hold = |why| Hold { organisation: "main".to_owned(), why };
    let pause = Pause { by: "dev".to_owned(), at: Some(at("11:40:00")), why: "maintenance".to_owned() };
    let held = vec![hold(Why::Paused(Some(pause))), hold(Why::Credential(None))];
    let stopped = Snapshot { held, ..snapshot() };
    for (width, height) in [(80, 24), (44, 30)] {
        let seen = picture(width, height, &stopped, &View::default());
        let words = seen.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("Calls of main are paused by dev 20m ago: maintenance."), "{seen}");
        assert!(words.contains("closeout outgoing resume --organisation main Genesys refuses"), "{seen}");
        assert!(words.contains("with closeout doctor --online."), "{seen}");
        assert!(seen.find("paused").unwrap() < seen.find("Open").unwrap(), "{seen}");
    }
    let once = super::once(&stopped, &crate::output::Voice::default());
    assert!(once.starts_with("Calls of main are paused by dev"), "{once}");
    assert!(once.contains("\nGenesys refuses the credential of main"), "{once}");
}

#[test]
fn no_size_is_too_small_and_no_text_moves_the_cursor() {
    let mut nasty = snapshot();
    nasty.ghosts[0].reason = "\u{1b}[2Jé漢字".to_owned();
    nasty.adapters[0].name = "a\nb\tc".to_owned();
    for (width, height) in [(1, 1), (2, 2), (5, 3), (20, 5), (72, 6), (80, 3), (200, 60)] {
        let seen = picture(width, height, &nasty, &View { row: 99, ..View::default() });
        assert!(!seen.contains('\u{1b}'), "{seen}");
    }
}
