//! The port, over RabbitMQ.

use std::{
    fmt,
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use queue::{Action, Fault, Message, Outgoing, Receipt, Settlement, Source, Standing, Warning};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    dial::Dial,
    fault::{During, fault, unreachable},
    inspect::inspect,
    publisher::Publisher,
    seen::Seen,
    session::{ANSWER_WITHIN, Session, answer},
    settings::Settings,
};

/// How long one request may take altogether, whatever it has to wait for; the port allows 10 s.
const ALL_WITHIN: Duration = Duration::from_secs(9);

/// A source of commands on a queue of RabbitMQ. It connects when something is first asked of it.
pub struct AmqpSource {
    shared: Arc<Shared>,
}

impl fmt::Debug for AmqpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpSource").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

struct Shared {
    settings: Settings,
    line: Mutex<Line>,
    sessions: AtomicU64,
    seen: StdMutex<Seen>,
    publisher: Publisher,
    closed: AtomicBool,
}

/// The connection to consume over, and how one is opened.
struct Line {
    dial: Dial,
    session: Option<Arc<Session>>,
}

impl AmqpSource {
    /// A source; nothing is connected yet.
    pub fn new(settings: Settings) -> Self {
        let line = Line { dial: Dial::new(settings.clone(), "commands of"), session: None };
        Self {
            shared: Arc::new(Shared {
                line: Mutex::new(line),
                sessions: AtomicU64::new(0),
                seen: StdMutex::default(),
                publisher: Publisher::new(settings.clone()),
                closed: AtomicBool::new(false),
                settings,
            }),
        }
    }
}

impl Shared {
    fn check_open(&self, action: Action) -> Result<(), Fault> {
        if self.closed.load(Ordering::SeqCst) {
            Err(unreachable(action, "the source is closed"))
        } else {
            Ok(())
        }
    }

    /// The connection, opened where there is none that can be used.
    async fn session(self: &Arc<Self>, action: Action) -> Result<Arc<Session>, Fault> {
        self.check_open(action)?;
        if let Some(session) = &self.line.lock().await.session
            && session.is_sound()
        {
            return Ok(Arc::clone(session));
        }
        // Whoever asks may stop waiting; what was begun is finished.
        let shared = Arc::clone(self);
        let opened = tokio::spawn(async move { shared.open(action).await }).await;
        opened.unwrap_or_else(|_| Err(unreachable(action, "the attempt to connect broke off")))
    }

    async fn open(&self, action: Action) -> Result<Arc<Session>, Fault> {
        let mut line = self.line.lock().await;
        if let Some(session) = &line.session
            && session.is_sound()
        {
            return Ok(Arc::clone(session));
        }
        end(line.session.take());
        self.check_open(action)?;
        let connection = line.dial.connect(action).await?;
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let session = Arc::new(Session::open(number, self.settings.clone(), connection, action).await?);
        if let Err(closed) = self.check_open(action) {
            end(Some(session));
            return Err(closed);
        }
        line.session = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Ends a connection that is of no use any more.
    async fn throw_away(&self, useless: &Arc<Session>) {
        let mut line = self.line.lock().await;
        if line.session.as_ref().is_some_and(|session| Arc::ptr_eq(session, useless)) {
            end(line.session.take());
        }
    }

    /// Takes the connection out, if there is one.
    async fn take_session(&self) -> Option<Arc<Session>> {
        self.line.lock().await.session.take()
    }

    async fn consume(self: &Arc<Self>, session: &Arc<Session>) -> Result<(), Fault> {
        if !session.has_to_consume() {
            return Ok(());
        }
        let (shared, consuming) = (Arc::clone(self), Arc::clone(session));
        let begun = tokio::spawn(async move {
            let begun = answer(Action::Receive, consuming.consume()).await;
            if begun.is_err() {
                shared.throw_away(&consuming).await;
            }
            begun
        });
        begun.await.unwrap_or_else(|_| Err(unreachable(Action::Receive, "consuming broke off")))
    }

    /// Settles what the present connection brought; answers how many are left.
    async fn settle(self: &Arc<Self>, settlements: Vec<(Receipt, Settlement)>) -> Result<usize, Fault> {
        let asked = settlements.len();
        let Some(session) = self.line.lock().await.session.clone() else { return Ok(asked) };
        let known: Vec<(u64, Settlement)> = settlements
            .into_iter()
            .filter_map(|(receipt, settlement)| {
                let (number, tag) = parse(&receipt)?;
                session.is_number(number).then_some((tag, settlement))
            })
            .collect();
        let unknown = asked - known.len();
        if known.is_empty() {
            return Ok(unknown);
        }
        // A message of which nobody knows whether it is settled would stay with the connection, so this is finished once begun.
        let (shared, settling) = (Arc::clone(self), Arc::clone(&session));
        let settled = tokio::spawn(async move {
            let settled = answer(Action::Settle, settling.settle(known, &shared.seen)).await;
            if settled.is_err() {
                shared.throw_away(&settling).await;
            }
            settled
        });
        match settled.await {
            Ok(settled) => settled.map(|more| unknown + more),
            Err(_) => Err(unreachable(Action::Settle, "settling broke off")),
        }
    }

    fn hand_out(&self, session: &Session, most: usize) -> Result<Vec<Message>, Fault> {
        session.hand_out(most, &mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Ends a connection behind the back of whoever goes on.
fn end(session: Option<Arc<Session>>) {
    if let Some(session) = session {
        tokio::spawn(async move { session.end().await });
    }
}

/// Answers within the time that the port allows. What is cut off goes on where it must not be left half done.
async fn within<T>(action: Action, asked: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(ALL_WITHIN, asked)
        .await
        .unwrap_or_else(|_| Err(unreachable(action, "the broker does not answer")))
}

/// The number of a connection and the tag within it.
fn parse(receipt: &Receipt) -> Option<(u64, u64)> {
    let (session, tag) = receipt.0.split_once('/')?;
    Some((session.parse().ok()?, tag.parse().ok()?))
}

#[async_trait]
impl Source for AmqpSource {
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        let deadline = Instant::now() + wait;
        let session = within(Action::Receive, async {
            let session = self.shared.session(Action::Receive).await?;
            self.shared.consume(&session).await?;
            Ok(session)
        })
        .await?;
        loop {
            let arrived = session.hand().arrived.notified();
            self.shared.check_open(Action::Receive)?;
            match self.shared.hand_out(&session, most) {
                Ok(messages) if messages.is_empty() && Instant::now() < deadline => {}
                Ok(messages) => return Ok(messages),
                Err(fault) => {
                    self.shared.throw_away(&session).await;
                    return Err(fault);
                }
            }
            let _ = timeout_at(deadline, arrived).await;
        }
    }

    async fn settle(&self, settlements: Vec<(Receipt, Settlement)>) -> Result<usize, Fault> {
        self.shared.check_open(Action::Settle)?;
        within(Action::Settle, self.shared.settle(settlements)).await
    }

    async fn publish(&self, to: &str, outgoing: Outgoing) -> Result<(), Fault> {
        self.shared.check_open(Action::Publish)?;
        within(Action::Publish, self.shared.publisher.publish(to, &outgoing)).await
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        within(Action::Look, async {
            let session = self.shared.session(Action::Look).await?;
            answer(Action::Look, session.standing()).await
        })
        .await
    }

    async fn check(&self) -> Result<Vec<Warning>, Fault> {
        within(Action::Look, async {
            let session = self.shared.session(Action::Look).await?;
            let shown = inspect(session.connection(), &self.shared.settings.queue).await;
            shown.map(|shown| shown.warnings()).map_err(|error| fault(Action::Look, During::Asking, &error))
        })
        .await
    }

    async fn rest(&self) {
        let shared = Arc::clone(&self.shared);
        let resting = tokio::spawn(async move {
            let Some(session) = shared.line.lock().await.session.clone() else { return };
            // What cannot be given back in an orderly way is given back by the end of the connection.
            if !matches!(timeout(ANSWER_WITHIN, session.rest()).await, Ok(Ok(()))) {
                shared.throw_away(&session).await;
            }
        });
        let _ = timeout(ALL_WITHIN, resting).await;
    }

    async fn reopen(&self) {
        end(self.shared.take_session().await);
    }

    async fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // An attempt to connect that is under way finds the source closed, and ends what it has made.
        let _ = timeout(ALL_WITHIN, async {
            let session = {
                let mut line = self.shared.line.lock().await;
                line.dial.give_up();
                line.session.take()
            };
            if let Some(session) = session {
                session.hand().arrived.notify_waiters();
                session.end().await;
            }
            self.shared.publisher.close().await;
        })
        .await;
    }
}
