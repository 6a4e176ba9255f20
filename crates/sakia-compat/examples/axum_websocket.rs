//! A WebSocket in an axum app on sakia alone: the connection is upgraded by hyper and spoken on by a task of sakia's.
//!
//! axum's own `WebSocketUpgrade` spawns on tokio, so it needs tokio's runtime around; here the handler answers the handshake itself, and
//! tungstenite does the rest. What all sockets share is kept on this thread by `Bound`.
//!
//! ```text
//! cargo run -p sakia-compat --example axum_websocket -- 127.0.0.1:8080
//! ```

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use sakia::Bound;
use sakia::net::TcpListener;
use sakia_compat::{Served, serve};
use tokio_tungstenite::WebSocketStream;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Error, Message};

#[sakia::main(report = "stderr")]
async fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1);
    let listener = TcpListener::bind(addr.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    println!("ws://{}/ws", listener.local_addr()?);
    run(listener, async { drop(sakia::signal::ctrl_c().await) }).await?;
    Ok(())
}

/// What all sockets share. It is no more `Sync` than a `Cell` is.
#[derive(Default)]
struct Room {
    said: Cell<u64>,
}

/// Serves the app until `stop` is ready. Sockets that are open then go on until their task ends.
pub async fn run(
    listener: TcpListener,
    stop: impl Future<Output = ()> + 'static,
) -> io::Result<Served> {
    let app = Router::new()
        .route("/ws", any(handshake))
        .with_state(Arc::new(Bound::new(Room::default())));
    serve(listener, TowerToHyperService::new(app))
        .with_graceful_shutdown(stop)
        .await
}

/// Answers the handshake of RFC 6455; the rest is said by a task of its own, once the connection has changed hands.
async fn handshake(
    State(room): State<Arc<Bound<Room>>>,
    mut request: Request,
) -> Result<Response, StatusCode> {
    let headers = request.headers();
    let wanted = |name, value: &str| {
        let found = headers.get(name).and_then(|found| found.to_str().ok());
        found.is_some_and(|found| found.to_ascii_lowercase().contains(value))
    };
    if !wanted(header::CONNECTION, "upgrade")
        || !wanted(header::UPGRADE, "websocket")
        || !wanted(header::SEC_WEBSOCKET_VERSION, "13")
    {
        return Err(StatusCode::UPGRADE_REQUIRED);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let accept = derive_accept_key(key.ok_or(StatusCode::BAD_REQUEST)?.as_bytes());

    let upgrade = hyper::upgrade::on(&mut request);
    sakia::spawn(async move {
        if let Err(error) = talk(upgrade, &room).await {
            eprintln!("a socket failed: {error}");
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty())
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Says everything back, with the number of what was said to anybody so far.
async fn talk(upgrade: OnUpgrade, room: &Bound<Room>) -> Result<(), Box<dyn std::error::Error>> {
    let upgraded: TokioIo<Upgraded> = TokioIo::new(upgrade.await?);
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Text(text)) => {
                let said = room.get().said.get() + 1;
                room.get().said.set(said);
                let answer = Message::text(format!("{said}: {text}"));
                socket.send(answer).await?;
            }
            // Pings and closes are answered by the library.
            Ok(_) => {}
            Err(Error::ConnectionClosed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
