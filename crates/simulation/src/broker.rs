//! The broker as one replica reaches it: its double in memory, whose answers may be lost.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use genesys_types::{Organisation, Time};
use intake::{Asked, Commands, Refusal};
use orchestrator::Said;
use queue::{
    Action, Fault, FaultKind, MemorySource, Message, Outgoing, Receipt, Settlement, Source, Standing, Warning,
};

use crate::{clock::ReplicaClock, people, trace::Told, world::Shared};

/// One replica's source.
pub(crate) struct ShakySource {
    pub(crate) world: Shared,
    pub(crate) clock: Arc<ReplicaClock>,
    pub(crate) inner: MemorySource,
}

/// What becomes of a request.
enum Fate {
    Done,
    NotDone,
    AnswerLost,
}

impl ShakySource {
    fn fate(&self) -> Fate {
        let mut world = self.world.lock();
        let chance = world.plan.chances.broker_fails;
        if !world.fails(chance) {
            return Fate::Done;
        }
        world.note(self.clock.at(), Told::Broker { what: "fails" });
        if world.dice.bool() { Fate::NotDone } else { Fate::AnswerLost }
    }

    /// What is settled as taken is written down.
    fn is_written_down(&self, settlements: &[(Receipt, Settlement)], numbers: &[(Receipt, u32)]) {
        let mut world = self.world.lock();
        for (receipt, _) in settlements.iter().filter(|(_, settlement)| *settlement == Settlement::Taken) {
            let Some((_, command)) = numbers.iter().find(|(known, _)| known == receipt) else { continue };
            world.note(self.clock.at(), Told::Settled { command: *command });
            if world.witness.key(people::MESSAGES, &people::key_of(*command)).is_none() {
                let found = format!("the message of command {command} was settled and is not written down");
                world.witness.breaks("I3", found);
            }
        }
    }
}

fn fault(action: Action) -> Fault {
    Fault {
        action,
        kind: FaultKind::Unreachable,
        cause: "the simulation lost it".to_owned(),
        fix: "nothing: it comes back",
    }
}

/// The command that a message is about.
fn number(message: &Message) -> Option<u32> {
    message.id.as_deref()?.strip_prefix("order-")?.parse().ok()
}

#[async_trait]
impl Source for ShakySource {
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        match self.fate() {
            Fate::NotDone => return Err(fault(Action::Receive)),
            Fate::AnswerLost => {
                // The broker has given them out, and they come again when it has waited long enough.
                self.inner.receive(most, Duration::ZERO).await?;
                return Err(fault(Action::Receive));
            }
            Fate::Done => {}
        }
        let messages = self.inner.receive(most, wait).await?;
        let numbers = messages.iter().filter_map(|message| Some((message.receipt.clone(), number(message)?)));
        let numbers: Vec<_> = numbers.collect();
        let at_once = self.world.lock().plan.mistake == Some(crate::Mistake::SettledAtOnce);
        if at_once {
            let taken: Vec<_> =
                numbers.iter().map(|(receipt, _)| (receipt.clone(), Settlement::Taken)).collect();
            self.inner.settle(taken.clone()).await?;
            self.is_written_down(&taken, &numbers);
        }
        self.world.lock().in_hand.extend(numbers);
        Ok(messages)
    }

    async fn settle(&self, settlements: Vec<(Receipt, Settlement)>) -> Result<usize, Fault> {
        let numbers = std::mem::take(&mut self.world.lock().in_hand);
        self.is_written_down(&settlements, &numbers);
        self.world.lock().in_hand.extend(
            numbers
                .into_iter()
                .filter(|(receipt, _)| settlements.iter().all(|(settled, _)| settled != receipt)),
        );
        match self.fate() {
            Fate::NotDone => return Err(fault(Action::Settle)),
            Fate::AnswerLost => {
                self.inner.settle(settlements).await?;
                return Err(fault(Action::Settle));
            }
            Fate::Done => {}
        }
        self.inner.settle(settlements).await
    }

    async fn publish(&self, to: &str, outgoing: Outgoing) -> Result<(), Fault> {
        self.inner.publish(to, outgoing).await
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        self.inner.standing().await
    }

    async fn check(&self) -> Result<Vec<Warning>, Fault> {
        self.inner.check().await
    }

    async fn rest(&self) {
        self.inner.rest().await;
    }

    async fn reopen(&self) {
        self.inner.reopen().await;
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// Reads the id of a conversation, or of its guest.
pub(crate) struct Ids;

impl Commands for Ids {
    fn read(&self, _: &Organisation, body: &[u8], _: Time) -> Result<Asked, Refusal> {
        let Some(subject) = std::str::from_utf8(body).ok().and_then(people::named) else {
            let detail = "It is no conversation.".to_owned();
            return Err(Refusal { reason: "invalid_json", field: None, detail });
        };
        let mut digest = [0; 32];
        digest.iter_mut().zip(body).for_each(|(digest, byte)| *digest = *byte);
        Ok(Asked { command: people::asked(subject), said: Said::default(), digest, dry_run: false })
    }
}
