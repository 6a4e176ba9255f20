//! sakia inside tokio: one thread, tokio's current_thread runtime as its loop, sakia's ring in it, and an axum WebSocket on both.
//!
//! The sockets are sakia's, and so is the server. What needs tokio around it (axum's `WebSocketUpgrade` spawns there, a tokio timer ends silent
//! sockets) finds it, for sakia's turns run inside tokio's loop. `beside` is all that embedding takes, in any loop that can wait for a descriptor.
//!
//! ```text
//! cargo run -p sakia-compat --example embed_tokio -- 127.0.0.1:8080
//! ```

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{any, get};
use hyper_util::service::TowerToHyperService;
use sakia::net::TcpListener;
use sakia::{Handle, Runtime, ShutdownReport};
use sakia_compat::{Served, serve};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{timeout, timeout_at};

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1);
    let addr = addr.as_deref().unwrap_or("127.0.0.1:8080");
    let (served, report) = run(addr, |addr, handle| {
        println!("ws://{addr}/ws");
        // tokio's signals are as good as sakia's here.
        tokio::spawn(async move {
            let _ = tokio::signal::ctrl_c().await;
            handle.request_shutdown();
        });
    })?;
    println!("{served:?}\n{report}");
    Ok(())
}

/// Serves the app until the handle that `started` gets is used to ask for the end.
pub fn run(
    addr: &str,
    started: impl FnOnce(SocketAddr, Handle) + 'static,
) -> io::Result<(Served, ShutdownReport)> {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let sakia = Runtime::new()?;
    let addr = addr.to_owned();
    let served = tokio.block_on(beside(&sakia, async {
        // A task of sakia's; whoever awaits it is a task of tokio's.
        let server = sakia.spawn(async move {
            let listener = TcpListener::bind(addr).await?;
            started(listener.local_addr()?, Handle::current());
            let app = Router::new()
                .route("/", get(os))
                .route("/ws", any(handshake));
            serve(listener, TowerToHyperService::new(app))
                .with_graceful_shutdown(Handle::current().shutdown_requested())
                .await
        });
        server.await.map_err(io::Error::other)?
    }))??;
    Ok((served, sakia.shutdown(Duration::from_secs(5))))
}

/// Awaits `future` in tokio, and turns a runtime of sakia's beside it.
pub async fn beside<F: Future>(sakia: &Runtime, future: F) -> io::Result<F::Output> {
    tokio::select! {
        output = future => Ok(output),
        error = turn(sakia) => match error {
            Ok(never) => match never {},
            Err(error) => Err(error),
        },
    }
}

async fn turn(sakia: &Runtime) -> io::Result<Infallible> {
    // SAFETY: a BorrowedFd is the same open descriptor all its life, and this one lives as long as the runtime, which is borrowed here
    // until `fd` has gone.
    let fd = unsafe { AsyncFd::register_with_interest(sakia.as_fd()?, Interest::READABLE) }?;
    loop {
        while sakia.turn(Some(Duration::ZERO))? {
            // tokio's own tasks have their turn as well.
            tokio::task::yield_now().await;
        }
        let readable = match sakia.next_deadline() {
            None => fd.readable().await,
            Some(deadline) => match timeout_at(deadline.into(), fd.readable()).await {
                Ok(readable) => readable,
                Err(_) => continue,
            },
        };
        // The next turn takes what made it readable; what comes after that makes it so again.
        readable?.clear_ready();
    }
}

/// A file by the ring, in a handler that axum wants to be `Send`.
async fn os() -> Result<String, String> {
    let file = sakia::bound(sakia::fs::read_to_string("/proc/sys/kernel/ostype"));
    file.await.map_err(|error| error.to_string())
}

async fn handshake(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(talk)
}

/// Says everything back. It is a task of tokio's, and reads and writes a socket of sakia's.
async fn talk(mut socket: WebSocket) {
    while let Ok(Some(Ok(message))) = timeout(Duration::from_secs(60), socket.recv()).await {
        let answer = match message {
            Message::Text(_) | Message::Binary(_) => message,
            // Answered by the library, the close too: after it there is no next message.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => continue,
        };
        if socket.send(answer).await.is_err() {
            break;
        }
    }
}
