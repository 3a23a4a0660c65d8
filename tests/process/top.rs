//! `closeout top` in a terminal that `script` makes, and without one.

use std::{
    io::{Read as _, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use closeout_tests::{Scene, SceneOptions, program};
use genesys_simulator::{ChaosSpec, FaultRule, NewConversation, Preset};

use crate::command_line::command;

const PATIENCE: Duration = Duration::from_secs(20);

/// What a terminal shows, as far as this program needs one: moves, clearing and text.
struct Terminal {
    cells: Vec<Vec<char>>,
    row: usize,
    column: usize,
    rest: Vec<u8>,
}

impl Terminal {
    fn new() -> Self {
        Self { cells: vec![vec![' '; 80]; 24], row: 0, column: 0, rest: Vec::new() }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        // A character that is not whole yet waits for the rest of it.
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(_) => self.rest.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8(self.rest.drain(..whole).collect()).unwrap();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\u{1b}' => match characters.next() {
                    Some('[') => {
                        let mut parameters = String::new();
                        let end = loop {
                            match characters.next() {
                                Some(end) if end.is_ascii_alphabetic() => break end,
                                Some(other) => parameters.push(other),
                                // It goes on in the next piece.
                                None => {
                                    self.rest = format!("\u{1b}[{parameters}").into_bytes();
                                    return;
                                }
                            }
                        };
                        self.control(&parameters, end);
                    }
                    Some(_) => {}
                    None => self.rest = b"\x1b".to_vec(),
                },
                '\r' => self.column = 0,
                '\n' => self.row = (self.row + 1).min(23),
                character if !character.is_control() => {
                    if let Some(cell) = self.cells[self.row].get_mut(self.column) {
                        *cell = character;
                    }
                    self.column += 1;
                }
                _ => {}
            }
        }
    }

    fn control(&mut self, parameters: &str, end: char) {
        match end {
            'H' => {
                let mut numbers = parameters.split(';').map(|number| number.parse().unwrap_or(1_usize));
                self.row = (numbers.next().unwrap_or(1) - 1).min(23);
                self.column = numbers.next().unwrap_or(1) - 1;
            }
            'J' => self.cells = vec![vec![' '; 80]; 24],
            _ => {}
        }
    }

    fn shown(&self) -> String {
        self.cells.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned() + "\n").collect()
    }
}

/// The program in a terminal, and what came of it.
struct Session {
    child: Child,
    keys: ChildStdin,
    output: Receiver<Vec<u8>>,
    terminal: Terminal,
    all: Vec<u8>,
}

impl Session {
    fn begin(scene: &Scene) -> Self {
        let line = format!(
            "stty rows 24 cols 80; {} top --every 200ms; echo \"ended=$?\"; stty -a",
            program().display()
        );
        let mut child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .envs(scene.environment())
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, output) = channel();
        let mut from = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                drop(told.send(buffer[..read].to_vec()));
            }
        });
        let keys = child.stdin.take().unwrap();
        Self { child, keys, output, terminal: Terminal::new(), all: Vec::new() }
    }

    /// Waits until the terminal shows all of these.
    fn shows(&mut self, texts: &[&str]) {
        let end = Instant::now() + PATIENCE;
        while !texts.iter().all(|text| self.terminal.shown().contains(text)) {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                panic!("it does not show {texts:?}:\n{}", self.terminal.shown());
            };
            self.terminal.feed(&bytes);
            self.all.extend(bytes);
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for the end, and gives what was written after the picture.
    fn ended(mut self) -> String {
        drop(self.keys);
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.all.extend(bytes);
        }
        self.child.wait().unwrap();
        let all = String::from_utf8_lossy(&self.all).into_owned();
        let (_, after) = all.rsplit_once("\u{1b}[?1049l").expect("the other screen was not left");
        after.to_owned()
    }
}

/// A service that holds a ghost.
async fn haunted() -> Scene {
    let scene = Scene::begin(SceneOptions::default()).await;
    let never = ChaosSpec::none().with(FaultRule::new(Preset::LostWebhook).times(u32::MAX));
    let stuck = NewConversation { chaos: Some(never), ..NewConversation::default() };
    let made = scene.simulator.create(&stuck).unwrap()[0].conversation_id.to_string();
    let line = ["close", &made, "--evidence", "webhook_only", "--deadline", "2s", "--wait", "20s"];
    assert_eq!(command(&scene, &line).await.code, 7);
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_what_is_stuck_and_is_given_back() {
    let scene = haunted().await;
    tokio::task::spawn_blocking(move || {
        let mut session = Session::begin(&scene);
        session.shows(&["closeout top", &scene.base, "Ghosts 1", "> no_confirmation", "quota  main"]);
        session.press("\r");
        session.shows(&["Explanation", "webhook_only"]);
        session.press("x");
        session.shows(&["What is stuck"]);
        session.press("r");
        session.shows(&["again now? y/n"]);
        session.press("n");
        session.shows(&["Nothing was done."]);
        session.press("ry");
        session.shows(&["is looked at again"]);
        session.press("q");
        let after = session.ended();
        assert!(after.contains("ended=0"), "{after}");
        assert!(
            after.contains(" icanon") && !after.contains("-icanon") && !after.contains("-echo "),
            "{after}"
        );
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_gives_the_terminal_back_too() {
    let scene = haunted().await;
    tokio::task::spawn_blocking(move || {
        let mut session = Session::begin(&scene);
        session.shows(&["no_confirmation"]);
        session.press("\u{3}");
        let after = session.ended();
        assert!(after.contains("ended=0") && !after.contains("-icanon"), "{after}");
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn without_a_terminal_it_is_one_snapshot() {
    let scene = haunted().await;
    let told = command(&scene, &["top"]).await;
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.stdout.starts_with("Open 1: ghost 1; oldest ghost "), "{told:?}");
    assert!(
        told.stdout.contains("Ghosts 1: no_confirmation 1\n") && !told.stdout.contains('\u{1b}'),
        "{told:?}"
    );
    let told = command(&scene, &["top", "--once", "-o", "json"]).await;
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["ghosts"]["no_confirmation"], 1);
    let nobody = command(&scene, &["top", "--server", "http://127.0.0.1:1"]).await;
    assert_eq!(nobody.code, 10, "{nobody:?}");
}
