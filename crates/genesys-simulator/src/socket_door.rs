//! The WebSocket of a channel: `/channels/{channelId}`, as `connectUri` names it.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use crate::sockets::{Order, channel_id, metadata};
use crate::world::World;

/// Opens the socket of a channel.
pub(crate) async fn open(
    State(world): State<Arc<World>>,
    Path(channel): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(id) = channel_id(&channel).filter(|id| world.has_channel(*id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    upgrade.on_upgrade(move |socket| async move {
        if let Some((number, orders)) = world.open_socket(id) {
            serve(&world, id, socket, orders).await;
            world.socket_ended(id, number);
        }
    })
}

async fn serve(world: &World, id: Uuid, mut socket: WebSocket, mut orders: UnboundedReceiver<Order>) {
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Send(text)) => {
                    if socket.send(Message::Text(text.into())).await.is_err() {
                        return;
                    }
                }
                Some(Order::Close) => {
                    let close = CloseFrame { code: 1000, reason: "".into() };
                    let _ = socket.send(Message::Close(Some(close))).await;
                    return;
                }
                Some(Order::Cut) | None => return,
            },
            heard = socket.recv() => match heard {
                Some(Ok(Message::Text(text))) if is_ping(&text) => {
                    if world.answers(id) && socket.send(Message::Text(metadata("pong").into())).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
    }
}

fn is_ping(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value["message"] == "ping")
}
