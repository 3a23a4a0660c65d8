//! The port, by the client library of NATS.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex as PlainMutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, PublishErrorKind, Request,
    jetstream::{
        self, AckKind, Context,
        consumer::{AckPolicy, PullConsumer, pull},
    },
};
use async_trait::async_trait;
use futures_util::future::join_all;
use queue::{
    Action, Fault, FaultKind, GRACE, Message, Outgoing, Receipt, Settlement, Source, Standing, Warning,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    check::{self, Found},
    connection::{self, CONNECT, Connection, REQUEST},
    fault,
    message::{ack_subject, headers},
    pull::Pull,
    setup::{OpenError, Setup},
    unreadable::unreadable,
};

/// Messages that may be in hand of all replicas together. Beyond it the server gives out none.
const MOST_IN_HAND: i64 = 1_000;

/// How long it is known whether a subject belongs to a stream.
const STREAM_KNOWN_FOR: Duration = Duration::from_secs(60);

/// For how many subjects that is known. Addresses of replies may be new for each command.
const STREAMS_KNOWN: usize = 1_000;

/// How long what is in hand may take to be given back at the end.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// A durable pull consumer of a stream.
pub struct NatsSource {
    setup: Setup,
    connection: Connection,
    context: Context,
    pull: Mutex<Pull>,
    /// Whether a subject belongs to a stream, and since when that is known.
    streams: PlainMutex<HashMap<String, (bool, Instant)>>,
    closed: AtomicBool,
}

impl fmt::Debug for NatsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup { stream, consumer, .. } = &self.setup;
        f.debug_struct("NatsSource")
            .field("stream", stream)
            .field("consumer", consumer)
            .finish_non_exhaustive()
    }
}

impl NatsSource {
    /// Opens a source. The connection is made in the background.
    ///
    /// # Errors
    ///
    /// What no waiting mends: a URL that is none, or files of credentials or certificates that cannot be read.
    pub async fn open(setup: Setup) -> Result<Self, OpenError> {
        let connection = Connection::begin(&setup).await?;
        let mut context = jetstream::new(connection.client.clone());
        context.set_timeout(REQUEST);
        Ok(Self {
            setup,
            connection,
            context,
            pull: Mutex::default(),
            streams: PlainMutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// The connection, if it stands.
    fn client(&self, action: Action) -> Result<&Client, Fault> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(fault::closed(action));
        }
        self.connection.check(action)?;
        Ok(&self.connection.client)
    }

    /// The connection, once it stands, where it does within `patience`: at a start it takes a moment, which is no fault.
    async fn ready(&self, action: Action, patience: Duration) -> Result<&Client, Fault> {
        if !self.closed.load(Ordering::SeqCst) {
            let mut standing = self.connection.standing.clone();
            let stands = standing.wait_for(|standing| matches!(standing, connection::Standing::Connected(_)));
            // Whether it does is looked at below.
            let _ = timeout(patience, stands).await;
        }
        self.client(action)
    }

    /// The consumer, made where it is not there.
    async fn consumer(&self, pull: &mut Pull) -> Result<PullConsumer, Fault> {
        if let Some(consumer) = &pull.consumer {
            return Ok(consumer.clone());
        }
        let wanted = pull::Config {
            durable_name: Some(self.setup.consumer.clone()),
            description: Some("takes commands for Closeout".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.setup.ack_wait,
            max_deliver: -1,
            max_ack_pending: MOST_IN_HAND,
            filter_subject: self.setup.subject.clone().unwrap_or_default(),
            ..pull::Config::default()
        };
        let found = self.context.get_consumer_from_stream(&self.setup.consumer, &self.setup.stream).await;
        let consumer = match found {
            Ok(consumer) => consumer,
            Err(error) if is_missing_consumer(&error) => self
                .context
                .create_consumer_on_stream(wanted, &self.setup.stream)
                .await
                .map_err(|error| fault::of_consumer(Action::Receive, &error))?,
            Err(error) => return Err(fault::of_consumer(Action::Receive, &error)),
        };
        pull.consumer = Some(consumer.clone());
        Ok(consumer)
    }

    async fn receive_now(&self, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        let mut pull = self.pull.lock().await;
        let mut standing = self.connection.standing.clone();
        let stands = standing.borrow_and_update().clone();
        let consumer = self.consumer(&mut pull).await?;
        if pull.broke {
            let came = unreadable(&self.context, &consumer).await;
            pull.came.extend(came);
            pull.broke = false;
        }
        tokio::select! {
            biased;
            handed = pull.hand_out(&consumer, most, wait) => return handed,
            broke = standing.wait_for(|standing| *standing != stands) => drop(broke),
        }
        // What was asked is forgotten by the server with the connection. What came stays good.
        pull.forget();
        pull.broke = true;
        self.connection.check(Action::Receive).map(|()| Vec::new())
    }

    /// Says what became of one message, and waits until the server has confirmed it.
    async fn settle_one(&self, client: &Client, receipt: &Receipt, settlement: Settlement) -> Settled {
        let Some(subject) = ack_subject(receipt) else { return Settled::Unconfirmed };
        let kind = match settlement {
            Settlement::Taken => AckKind::Ack,
            Settlement::Later(delay) if delay.is_zero() => AckKind::Nak(None),
            Settlement::Later(delay) => AckKind::Nak(Some(delay)),
            Settlement::Poison => AckKind::Term,
        };
        match client.send_request(subject, Request::new().payload(kind.into())).await {
            Ok(_) => Settled::Confirmed,
            Err(error) if error.kind() == async_nats::RequestErrorKind::TimedOut => Settled::TimedOut,
            Err(_) => Settled::Unconfirmed,
        }
    }

    /// Gives messages back, as far as the server hears of it.
    async fn give_back(&self, receipts: Vec<String>) {
        let Ok(client) = self.client(Action::Settle) else { return };
        let back = Settlement::Later(Duration::ZERO);
        let receipts: Vec<_> = receipts.into_iter().map(Receipt).collect();
        let all = join_all(receipts.iter().map(|receipt| self.settle_one(client, receipt, back)));
        if timeout(GIVE_BACK, all).await.is_err() {
            tracing::debug!("what was in hand comes again after the time for which it is held");
        }
    }

    /// Whether a subject belongs to a stream, as far as this client may ask.
    async fn is_in_a_stream(&self, subject: &str) -> bool {
        let known = |streams: &HashMap<String, (bool, Instant)>| {
            let (is, since) = streams.get(subject)?;
            (since.elapsed() < STREAM_KNOWN_FOR).then_some(*is)
        };
        let lock = || self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(is) = known(&lock()) {
            return is;
        }
        let is = self.context.stream_by_subject(subject).await.is_ok();
        let mut streams = lock();
        if streams.len() >= STREAMS_KNOWN {
            streams.clear();
        }
        streams.insert(subject.to_owned(), (is, Instant::now()));
        is
    }

    async fn publish_now(&self, client: &Client, to: &str, outgoing: Outgoing) -> Result<(), Fault> {
        let unfit = || fault::undeliverable("a header cannot be sent by NATS".to_owned());
        let headers = headers(&outgoing).ok_or_else(unfit)?;
        if self.is_in_a_stream(to).await {
            let sent = self.context.publish_with_headers(to.to_owned(), headers, outgoing.body).await;
            let acknowledged = match sent {
                Ok(acknowledgement) => acknowledgement.await,
                Err(error) => Err(error),
            };
            return acknowledged.map(drop).map_err(|error| of_stream_publish(&error));
        }
        client.publish_with_headers(to.to_owned(), headers, outgoing.body).await.map_err(
            |error| match error.kind() {
                PublishErrorKind::MaxPayloadExceeded | PublishErrorKind::InvalidSubject => {
                    fault::undeliverable(error.to_string())
                }
                PublishErrorKind::Send => fault::timed_out(Action::Publish),
            },
        )?;
        self.round_trip(client).await
    }

    /// What was published before is at the server once this comes back: one connection keeps its order.
    async fn round_trip(&self, client: &Client) -> Result<(), Fault> {
        use futures_util::StreamExt;
        let inbox = client.new_inbox();
        let failed = |error: &(dyn std::error::Error + 'static)| fault::other(Action::Publish, error);
        let mut back = client.subscribe(inbox.clone()).await.map_err(|error| failed(&error))?;
        client.publish(inbox, bytes::Bytes::new()).await.map_err(|error| failed(&error))?;
        back.next().await.map(drop).ok_or_else(|| fault::timed_out(Action::Publish))
    }

    async fn found(&self) -> Result<Found, Fault> {
        let mut stream =
            self.context.get_stream(&self.setup.stream).await.map_err(|error| fault::of_stream(&error))?;
        let consumer = stream.consumer_info(&self.setup.consumer).await.ok();
        let info = stream.info().await.map_err(|error| fault::other(Action::Look, &error))?;
        Ok(Found::of(info, consumer.map(|consumer| consumer.config)))
    }

    async fn standing_now(&self) -> Result<Standing, Fault> {
        let stream = self.context.get_stream(&self.setup.stream).await;
        let stream = stream.map_err(|error| fault::of_stream(&error))?;
        let held = stream.cached_info().state.messages;
        let consumer = self
            .context
            .get_consumer_from_stream::<pull::Config, _, _>(&self.setup.consumer, &self.setup.stream)
            .await;
        match consumer {
            Ok(consumer) => {
                let info = consumer.cached_info();
                // After the death of a server a consumer may count for ever what its stream does not hold any more.
                let in_hand = u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX).min(held);
                Ok(Standing { waiting: info.num_pending.min(held), in_hand })
            }
            // Nothing was received yet: everything that is there waits.
            Err(error) if is_missing_consumer(&error) => Ok(Standing { waiting: held, in_hand: 0 }),
            Err(error) => Err(fault::of_consumer(Action::Look, &error)),
        }
    }
}

/// What became of a settlement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settled {
    Confirmed,
    Unconfirmed,
    TimedOut,
}

fn is_missing_consumer(error: &jetstream::stream::ConsumerError) -> bool {
    use jetstream::{ErrorCode, stream::ConsumerErrorKind};
    matches!(error.kind(), ConsumerErrorKind::JetStream(answer) if answer.error_code() == ErrorCode::CONSUMER_NOT_FOUND)
}

fn of_stream_publish(error: &jetstream::context::PublishError) -> Fault {
    use jetstream::context::PublishErrorKind as Kind;
    match error.kind() {
        Kind::MaxPayloadExceeded => fault::undeliverable(error.to_string()),
        Kind::TimedOut | Kind::BrokenPipe => fault::timed_out(Action::Publish),
        Kind::StreamNotFound
        | Kind::WrongLastMessageId
        | Kind::WrongLastSequence
        | Kind::MaxAckPending
        | Kind::Other => fault::other(Action::Publish, error),
    }
}

/// Ends a request that takes longer than the port allows.
async fn bounded<T>(
    action: Action,
    bound: Duration,
    request: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    timeout(bound, request).await.unwrap_or_else(|_| Err(fault::timed_out(action)))
}

#[async_trait]
impl Source for NatsSource {
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        let asked = Instant::now();
        self.ready(Action::Receive, wait.min(CONNECT)).await?;
        let wait = wait.saturating_sub(asked.elapsed());
        let received = bounded(Action::Receive, wait + GRACE / 2, self.receive_now(most, wait)).await;
        if let Err(fault) = &received
            && fault.kind == FaultKind::Unreachable
        {
            let mut pull = self.pull.lock().await;
            pull.forget();
            pull.broke = true;
        }
        received
    }

    async fn settle(&self, settlements: Vec<(Receipt, Settlement)>) -> Result<usize, Fault> {
        let client = self.client(Action::Settle)?;
        let asked =
            settlements.iter().map(|(receipt, settlement)| self.settle_one(client, receipt, *settlement));
        let settled = join_all(asked).await;
        let mut pull = self.pull.lock().await;
        for (Receipt(receipt), _) in &settlements {
            pull.in_hand.remove(receipt);
        }
        if !settled.is_empty() && settled.iter().all(|settled| *settled == Settled::TimedOut) {
            return Err(fault::timed_out(Action::Settle));
        }
        Ok(settled.iter().filter(|settled| **settled != Settled::Confirmed).count())
    }

    async fn publish(&self, to: &str, outgoing: Outgoing) -> Result<(), Fault> {
        if to.is_empty() || to.split('.').any(str::is_empty) || to.contains(['*', '>']) {
            return Err(fault::undeliverable("the address is no subject".to_owned()));
        }
        let client = self.client(Action::Publish)?;
        bounded(Action::Publish, GRACE, self.publish_now(client, to, outgoing)).await
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        self.ready(Action::Look, CONNECT).await?;
        bounded(Action::Look, GRACE - CONNECT, self.standing_now()).await
    }

    async fn check(&self) -> Result<Vec<Warning>, Fault> {
        self.ready(Action::Look, CONNECT).await?;
        let found = bounded(Action::Look, GRACE - CONNECT, self.found()).await?;
        Ok(check::warnings(&found, self.setup.subject.as_deref()))
    }

    async fn rest(&self) {
        let came = {
            let mut pull = self.pull.lock().await;
            pull.forget();
            std::mem::take(&mut pull.came)
        };
        self.give_back(came.into_iter().map(|message| message.receipt.0).collect()).await;
    }

    async fn reopen(&self) {
        self.rest().await;
        let in_hand = std::mem::take(&mut self.pull.lock().await.in_hand);
        self.give_back(in_hand.into_iter().collect()).await;
        if self.connection.client.force_reconnect().await.is_err() {
            tracing::debug!("the connection to NATS is closed, and is not made again");
        }
    }

    async fn close(&self) {
        self.rest().await;
        let in_hand = std::mem::take(&mut self.pull.lock().await.in_hand);
        self.give_back(in_hand.into_iter().collect()).await;
        if !self.closed.swap(true, Ordering::SeqCst)
            && let Ok(Err(error)) = timeout(GIVE_BACK, self.connection.client.drain()).await
        {
            tracing::debug!(%error, "the connection to NATS was closed already");
        }
    }
}
