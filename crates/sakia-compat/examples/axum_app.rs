//! An axum app on sakia: `serve` takes the router, handlers know who asks, and Ctrl-C lets requests finish.
//!
//! ```text
//! cargo run -p sakia-compat --example axum_app -- 127.0.0.1:8080
//! curl -d '{"numbers": [1, 2, 3]}' -H 'content-type: application/json' http://127.0.0.1:8080/sum
//! ```

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Json, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use hyper_util::service::TowerToHyperService;
use sakia::fs::File;
use sakia::net::TcpListener;
use sakia::{Bound, bound};
use sakia_compat::{ConnectInfo, Served, serve};
use serde_json::{Value, json};

#[sakia::main(report = "stderr")]
async fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1);
    let listener = TcpListener::bind(addr.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    println!("http://{}/", listener.local_addr()?);
    let served = run(listener, async { drop(sakia::signal::ctrl_c().await) }).await?;
    println!("{} requests", served.requests());
    Ok(())
}

/// Serves the app until `stop` is ready and the last request was answered.
pub async fn run(
    listener: TcpListener,
    stop: impl Future<Output = ()> + 'static,
) -> io::Result<Served> {
    // The file stays on this thread, whatever axum asks of its state.
    let file = Arc::new(Bound::new(File::open("/proc/sys/kernel/ostype").await?));
    let app = Router::new()
        .route("/", get(who))
        .route("/sum", post(sum))
        .route("/os", get(os))
        .with_state(file);
    serve(listener, TowerToHyperService::new(app))
        .with_graceful_shutdown(stop)
        .await
}

/// Tells the peer its own address.
async fn who(Extension(ConnectInfo(peer)): Extension<ConnectInfo>) -> String {
    format!("hello, {peer}\n")
}

/// Adds numbers up.
async fn sum(Json(body): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let numbers = body["numbers"].as_array().ok_or(StatusCode::BAD_REQUEST)?;
    let sum: i64 = numbers.iter().filter_map(Value::as_i64).sum();
    Ok(Json(json!({ "sum": sum })))
}

/// Reads a file. axum asks that the handler's future is `Send`, which no operation of sakia's is: `bound` makes it so.
async fn os(State(file): State<Arc<Bound<File>>>) -> Result<Vec<u8>, StatusCode> {
    bound(async move {
        let (result, bytes) = file.get().read_at(Vec::with_capacity(64), 0).await;
        result.map(|_| bytes)
    })
    .await
    .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
