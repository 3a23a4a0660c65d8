//! A receiver of callbacks: what it is told of endings, over a way that fails.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use callbacks::{AllowedHosts, Format, Letter, Outcome, Post, Receiver, Setup};
use store::Millis;

use crate::{clock::ReplicaClock, people::organisation, plan::CLIENT_WAITS, trace::Told, world::Shared};

/// The host that is told.
const HOST: &str = "reports.example";

/// Tells the receiver, as one replica reaches it.
pub(crate) struct Reporter {
    pub(crate) world: Shared,
    pub(crate) clock: Arc<ReplicaClock>,
}

/// What becomes of a report.
enum Fate {
    Lost,
    AnswerLost,
    Refused,
    Taken,
}

impl Reporter {
    fn arrives(&self, letter: &Letter) -> (Fate, Millis) {
        let mut world = self.world.lock();
        let chances = world.plan.chances;
        let takes = 1 + world.some(60);
        if world.fails(chances.call_lost) {
            return (Fate::Lost, takes);
        }
        if world.fails(chances.refused) {
            return (Fate::Refused, takes);
        }
        if let Some(position) = position(&letter.body) {
            world.note(self.clock.at(), Told::Reported { position });
            world.witness.reported(position);
        } else {
            world.witness.breaks("report", format!("a report has no id: {}", letter.body));
        }
        let lost = world.fails(chances.reply_lost);
        (if lost { Fate::AnswerLost } else { Fate::Taken }, takes)
    }
}

/// The place of the line in the journal that a report tells of: its id.
fn position(body: &str) -> Option<u64> {
    let (_, id) = body.split_once(r#""id":"ev_"#)?;
    u64::from_str_radix(id.get(..16)?, 16).ok()
}

#[async_trait]
impl Post for Reporter {
    async fn post(&self, letter: Letter) -> Outcome {
        let (fate, takes) = self.arrives(&letter);
        let takes = Duration::from_millis(takes.unsigned_abs());
        match fate {
            Fate::Lost | Fate::AnswerLost => {
                tokio::time::sleep(Duration::from_millis(CLIENT_WAITS.unsigned_abs())).await;
                Outcome::NoAnswer("no answer came in time")
            }
            Fate::Refused => {
                tokio::time::sleep(takes).await;
                Outcome::Answered { status: 503, retry_after: None }
            }
            Fate::Taken => {
                tokio::time::sleep(takes).await;
                Outcome::Answered { status: 204, retry_after: None }
            }
        }
    }
}

/// Who is told, and of what.
pub(crate) fn setup() -> Setup {
    let ends = ["closed", "already_closed", "failed", "cancelled", "resolved"];
    let receiver = Receiver {
        name: "reports".to_owned(),
        organisation: organisation(),
        url: format!("https://{HOST}/").parse().expect("it is a URL"),
        on: ends.map(str::to_owned).into(),
        format: Format::CloudEvents,
        signature: None,
    };
    Setup {
        allowed: AllowedHosts::read(&[HOST.to_owned()]).expect("it is a host"),
        receivers: vec![receiver],
        ..Setup::default()
    }
}
