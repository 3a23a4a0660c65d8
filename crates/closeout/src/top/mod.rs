//! `closeout top`: what a running service is doing, live in a terminal.
//!
//! ```text
//!  HTTP interface ─► Snapshot ─┐
//!  keys ─► View ───────────────┴─► draw (pure) ─► terminal
//! ```
//!
//! Without a terminal, or with `--once`, one snapshot is written as text.

mod draw;
mod exposition;
mod hold;
mod snapshot;
mod terminal;
#[cfg(test)]
mod tests;
mod view;

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use clap::Args;
use jiff::Timestamp;
use ratatui::crossterm::event::KeyEvent;
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{UnboundedSender, unbounded_channel},
};

use self::{
    draw::Picture,
    snapshot::{Rates, Snapshot},
    terminal::Screen,
    view::{Over, View, Wish},
};
use crate::{
    cli::duration_flag,
    client::{Api, plain},
    exit::{Exit, Failure},
    output::{self, Column, Form, Listing, Voice, on_one_line},
};

/// The shortest and the longest time from one look to the next.
const EVERY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3_600));

const GHOSTS: [Column; 4] = [
    Column::text("ID", "id"),
    Column::text("CONVERSATION", "conversationId"),
    Column::text("REASON", "reason"),
    Column::time("SINCE", "since"),
];

/// How to look.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout top
  closeout top --every 5s -p prod
  closeout top --once
  closeout top --once -o json | jq .ghosts

Keys: q quits, j and k or the arrows pick a ghost, Enter explains it, r looks at it again now (it asks before), ? shows all keys.

What holds up all calls of an organisation, a pause or Genesys' refusal, stands above all else.

It asks the server for /metrics, /readyz, /v1/ghosts, /v1/ghosts/summary, /v1/adapters and /v1/sources, and for who paused calls \
/v1/audit, which needs a key of the role read, and \
costs no call to Genesys; r needs the role operate. Where stdin or stdout is no terminal, one snapshot is written.")]
pub struct TopArgs {
    /// How often to look, from 200ms to 1h
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = every)]
    every: Duration,
    /// Write one snapshot as text, or with -o json, and end
    #[arg(long)]
    once: bool,
}

fn every(text: &str) -> Result<Duration, String> {
    let every = duration_flag(text)?;
    match (EVERY.0..=EVERY.1).contains(&every) {
        true => Ok(every),
        false => Err("it lies between 200ms and 1h".to_owned()),
    }
}

/// What happens while the picture stands.
enum Happening {
    Key(KeyEvent),
    Resized,
    Looked(Box<Result<Snapshot, Failure>>),
    Explained(String, Result<String, Failure>),
    Retried(String, Result<String, Failure>),
    Ended,
}

/// Runs the command.
///
/// # Errors
///
/// When the server does not answer at the beginning; later that is shown, and asked again.
pub async fn run(args: &TopArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    output::no_rows(voice, "a picture")?;
    let first = snapshot::take(api).await?;
    let data = matches!(voice.form, Form::Json | Form::Ndjson);
    if args.once || data || !voice.style.terminal || !std::io::stdin().is_terminal() {
        output::write(&once(&first, voice))?;
        return Ok(Exit::Done);
    }
    live(args, api, voice, first).await
}

/// One snapshot as text or JSON.
fn once(snapshot: &Snapshot, voice: &Voice) -> String {
    match voice.form {
        Form::Json => return output::pretty(&snapshot.as_json()),
        Form::Ndjson => return format!("{}\n", snapshot.as_json()),
        Form::Table | Form::Wide | Form::Csv | Form::Id => {}
    }
    let holds = snapshot.held.iter().map(|hold| hold.words(snapshot.at));
    let lines = holds.chain(draw::summary(snapshot, None, snapshot.at));
    let mut text: String = lines.map(|line| format!("{}\n", on_one_line(&line))).collect();
    let told = snapshot.as_json();
    let ghosts = told["oldestGhosts"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !ghosts.is_empty() {
        text += "\n";
        text += &Listing { columns: &GHOSTS, items: ghosts, id: "id" }.write(voice.form, voice.style);
    }
    text
}

async fn live(args: &TopArgs, api: &Api, voice: &Voice, first: Snapshot) -> Result<Exit, Failure> {
    let unusable = |error: std::io::Error| {
        Failure::new(Exit::Unexpected, format!("the terminal cannot be used: {error}")).fix("take --once")
    };
    let mut terminated = signal(SignalKind::terminate()).map_err(unusable)?;
    let (tell, mut happenings) = unbounded_channel();
    let mut screen = Screen::take(tell.clone()).map_err(unusable)?;
    let mut ticks = tokio::time::interval(args.every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut view, mut rates, mut snapshot, mut looking) = (View::default(), Rates::default(), first, false);
    view.follow(&snapshot);
    rates.note(Instant::now(), &snapshot);
    loop {
        let picture = Picture {
            snapshot: &snapshot,
            rates: rates.a_minute(),
            view: &view,
            every: args.every,
            colour: voice.style.colour,
            now: Timestamp::now(),
        };
        let drawn = screen.terminal().draw(|frame| draw::draw(&picture, frame.area(), frame.buffer_mut()));
        drawn.map_err(unusable)?;
        let happening = tokio::select! {
            happening = happenings.recv() => happening.unwrap_or(Happening::Ended),
            _ = terminated.recv() => Happening::Ended,
            _ = ticks.tick() => {
                if !looking {
                    looking = true;
                    look(api, &tell);
                }
                continue;
            }
        };
        match happening {
            Happening::Ended => return Ok(Exit::Done),
            Happening::Resized => {}
            Happening::Looked(looked) => {
                looking = false;
                match *looked {
                    Ok(now) => {
                        snapshot = now;
                        view.problem = None;
                        view.follow(&snapshot);
                        rates.note(Instant::now(), &snapshot);
                    }
                    Err(failure) => view.problem = Some(on_one_line(&failure.message).into_owned()),
                }
            }
            Happening::Explained(id, Ok(text)) => {
                // Who went on meanwhile is not interrupted.
                if view.over == Over::Nothing {
                    view.over = Over::Explanation { id, text, from: 0 };
                }
            }
            Happening::Retried(id, Ok(state)) => {
                view.said = Some(format!("{id} is looked at again: {state}"));
            }
            Happening::Explained(_, Err(failure)) | Happening::Retried(_, Err(failure)) => {
                view.said = Some(on_one_line(&failure.message).into_owned());
            }
            Happening::Key(key) => match view.key(key, &snapshot) {
                Wish::Nothing => {}
                Wish::Quit => return Ok(Exit::Done),
                Wish::Look => ticks.reset_immediately(),
                Wish::Explain(id) => explain(api, &tell, id),
                Wish::Retry(id) => retry(api, &tell, id),
            },
        }
    }
}

/// Asks in the background, so that keys are heard meanwhile.
fn look(api: &Api, tell: &UnboundedSender<Happening>) {
    let (api, tell) = (api.clone(), tell.clone());
    tokio::spawn(async move { tell.send(Happening::Looked(Box::new(snapshot::take(&api).await))) });
}

fn explain(api: &Api, tell: &UnboundedSender<Happening>, id: String) {
    let (api, tell) = (api.clone(), tell.clone());
    tokio::spawn(async move {
        let answer = api.get(&format!("/v1/closures/{id}/explain"), &[]).await;
        tell.send(Happening::Explained(id, answer.map(|answer| plain(&answer.body["text"]))))
    });
}

fn retry(api: &Api, tell: &UnboundedSender<Happening>, id: String) {
    let (api, tell) = (api.clone(), tell.clone());
    tokio::spawn(async move {
        let path = format!("/v1/closures/{id}/retry");
        let answer = api.post(&path, &[], &json!({}), None, Duration::ZERO).await;
        let told = tell.send(Happening::Retried(id, answer.map(|answer| plain(&answer.body["state"]))));
        look(&api, &tell);
        told
    });
}
