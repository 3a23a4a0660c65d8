//! One connection, from its channel to its end.

use std::{fmt, sync::Arc, time::Duration};

use event_bodies::Unreadable;
use evidence_log::{HookResult, Received};
use futures_util::{SinkExt as _, StreamExt as _};
use genesys_client::{Channel, Class, Client, Fault, Moment, Subscribed};
use genesys_types::Time;
use orchestrator::Delivery;
use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::{
    adapter::Shared,
    frame::{self, About},
    life::LinkId,
};

/// The largest frame that is read: as large as an answer of the API may be. A conversation with many participants stays
/// far below.
const LARGEST_FRAME: usize = 1024 * 1024;

/// How long a connection may take to stand: name, TCP, TLS and the WebSocket's handshake.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long the end of a connection may take to be told.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// How many events are delivered at once. It bounds what is in memory while the store is away; then nothing more is read.
const DELIVERED_AT_ONCE: usize = 64;

/// How long an event waits before it is offered again to a store that is away.
const STORE_AWAY: Duration = Duration::from_millis(250);

/// How long a channel lives that does not say so (API.md §5a).
const DAY: Duration = Duration::from_secs(24 * 3_600);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a link tells of itself.
#[derive(Debug)]
pub(crate) enum Told {
    Opened(Time, Subscribed),
    NotOpened(Why),
    Heard,
    Closing,
    Unsubscribed,
    Ended,
}

/// Why a connection did not come about. Holds no address: whoever has one can listen.
#[derive(Debug)]
pub(crate) enum Why {
    Call(Fault),
    Socket(&'static str),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(fault) => fault.fmt(f),
            Self::Socket(what) => f.write_str(what),
        }
    }
}

/// What a link is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Ping,
    Close,
}

/// Opens a connection and serves it to its end.
pub(crate) async fn run(
    link: LinkId,
    shared: Arc<Shared>,
    tells: mpsc::UnboundedSender<(LinkId, Told)>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    // The adapter outlives its links, or is stopping.
    let tell = |told| drop(tells.send((link, told)));
    let opened = tokio::select! {
        opened = open(&shared.client, &shared.topics) => opened,
        () = shared.stop.cancelled() => return,
        () = closed(&mut commands) => return,
    };
    let (mut socket, channel, subscribed) = match opened {
        Ok(opened) => opened,
        Err(why) => return tell(Told::NotOpened(why)),
    };
    let ends = channel.expires.unwrap_or_else(|| shared.orchestrator.now() + genesys_types::Span::from(DAY));
    tell(Told::Opened(ends, subscribed));
    let places = Arc::new(Semaphore::new(DELIVERED_AT_ONCE));
    loop {
        tokio::select! {
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    tell(Told::Heard);
                    match frame::about(&text) {
                        About::Channel => {}
                        About::Closing => tell(Told::Closing),
                        About::Unsubscribed => tell(Told::Unsubscribed),
                        About::Event => take(&shared, &places, text.as_str()).await,
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => tell(Told::Heard),
                // Genesys sends text only: whoever sends anything else is not Genesys.
                Some(Ok(Message::Binary(_) | Message::Frame(_) | Message::Close(_)) | Err(_)) | None => break,
            },
            command = commands.recv() => match command {
                Some(Command::Ping) => {
                    if socket.send(Message::text(r#"{"message":"ping"}"#)).await.is_err() {
                        break;
                    }
                }
                Some(Command::Close) | None => break,
            },
            () = shared.stop.cancelled() => break,
        }
    }
    drop(tokio::time::timeout(CLOSE_WITHIN, socket.close(None)).await);
    tell(Told::Ended);
}

/// The socket stands before anything is subscribed to, so that nothing is sent to nobody.
async fn open(client: &Client, topics: &[Box<str>]) -> Result<(Socket, Channel, Subscribed), Why> {
    // As urgent as a read: every event that is heard saves one.
    let permit = client.quota().take(Class::Read).await;
    let channel = client.create_channel(permit).await.map_err(Why::Call)?.value;
    let config =
        WebSocketConfig::default().max_message_size(Some(LARGEST_FRAME)).max_frame_size(Some(LARGEST_FRAME));
    let connecting = connect_async_with_config(channel.connect.as_str(), Some(config), true);
    client.tell("open_socket", Moment::Before);
    let opened = tokio::time::timeout(CONNECT_WITHIN, connecting).await;
    client.tell("open_socket", Moment::After);
    let (socket, _) = opened
        .map_err(|_| Why::Socket("the socket did not stand in time"))?
        .map_err(|_| Why::Socket("the socket could not be opened"))?;
    let permit = client.quota().take(Class::Read).await;
    let subscribed = client.subscribe(permit, &channel, topics).await.map_err(Why::Call)?;
    Ok((socket, channel, subscribed))
}

async fn closed(commands: &mut mpsc::UnboundedReceiver<Command>) {
    while let Some(command) = commands.recv().await {
        if command == Command::Close {
            return;
        }
    }
}

/// Delivers an event, beside others: their order means nothing.
async fn take(shared: &Arc<Shared>, places: &Arc<Semaphore>, text: &str) {
    let at = shared.orchestrator.now();
    let delivery = match frame::delivery(&shared.name, &shared.organisation, text, at) {
        Ok(delivery) => delivery,
        Err(why) => return unreadable(shared, at, &why),
    };
    shared.board.change(|standing| standing.last_event_at = Some(at));
    let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
    let shared_too = Arc::clone(shared);
    shared.tasks.spawn(async move {
        deliver(&shared_too, at, delivery).await;
        drop(place);
    });
}

/// Delivers an event, also while the store is away for a while, and notes what became of it.
async fn deliver(shared: &Shared, at: Time, delivery: Delivery) {
    let about = Received {
        event_type: Some(delivery.event_type.clone()),
        event_id: Some(delivery.event_id.clone()),
        conversation: delivery.conversation,
        ..entry(shared, at, HookResult::Unavailable)
    };
    loop {
        match shared.orchestrator.deliver(delivery.clone()).await {
            Ok(delivered) => {
                return shared.log.note(Some(0), Received { result: delivered.into(), ..about });
            }
            Err(unavailable) => {
                tracing::debug!(adapter = shared.name, %unavailable, "an event waits for the store");
                tokio::select! {
                    () = tokio::time::sleep(STORE_AWAY) => {}
                    () = shared.stop.cancelled() => {
                        return shared.log.note(Some(0), Received { reason: Some("store_unavailable"), ..about });
                    }
                }
            }
        }
    }
}

fn entry(shared: &Shared, at: Time, result: HookResult) -> Received {
    Received {
        at,
        hook: Some(Arc::from(shared.name.as_str())),
        result,
        reason: None,
        event_type: None,
        event_id: None,
        conversation: None,
    }
}

/// A frame that cannot be read is told of; what it is about may be read back at its time.
fn unreadable(shared: &Shared, at: Time, why: &Unreadable) {
    let received = Received { reason: Some(why.reason()), ..entry(shared, at, HookResult::Undecodable) };
    shared.log.note(Some(0), received);
    tracing::warn!(
        adapter = shared.name,
        reason = why.reason(),
        "an event cannot be read and is passed over"
    );
}
