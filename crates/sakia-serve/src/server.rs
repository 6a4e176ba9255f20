//! The server from its start to its end: the runtime, the listener, the signals, the report.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Request, Response};
use sakia::net::TcpListener;
use sakia::{Runtime, signal};
use sakia_compat::{ConnectInfo, Served, serve};

use crate::Args;
use crate::body::{Body, CHUNK};
use crate::log::{self, Entry, Log};
use crate::service::Files;

/// How long the runtime may take to end once every connection has: there is nothing left but a write or two.
const END: Duration = Duration::from_secs(5);

/// Serves until it is stopped, and says what became of everything. Success is an end that was clean.
pub fn run(args: &Args) -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("sakia-serve: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(serve_files(args));
    let report = runtime.shutdown(END);
    match outcome {
        Ok(served) => {
            say(&format!("{}\n{report}", summary(&served)));
            report.exit_code()
        }
        Err(error) => {
            eprintln!("sakia-serve: {error}");
            if !report.is_clean() {
                eprintln!("{report}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn serve_files(args: &Args) -> io::Result<Served> {
    let dir = sakia::fs::canonicalize(&args.dir)
        .await
        .map_err(|error| about(&args.dir, error))?;
    let files = Files::beneath(&dir)
        .await
        .map_err(|error| about(&args.dir, error))?;
    let files = Rc::new(files);
    let listener = TcpListener::bind(args.addr).await?;
    let addr = listener.local_addr()?;

    let mut stop: Pin<Box<dyn Future<Output = ()>>> = Box::pin(stop_signal(args.shutdown_timeout));
    // Its first poll installs the handlers. Whoever reads the line below may send a signal at once.
    if poll_fn(|cx| Poll::Ready(stop.as_mut().poll(cx).is_ready())).await {
        stop = Box::pin(std::future::ready(()));
    }
    say(&format!(
        "Serving {} on http://{addr}/ (Ctrl-C stops it)",
        dir.display()
    ));

    let log = match &args.log {
        Some(path) => {
            let file = log::open(path).await.map_err(|error| about(path, error))?;
            let log = Rc::<Log>::default();
            Some((log.clone(), sakia::spawn(log::write(log, file))))
        }
        None => None,
    };
    let lines = log.as_ref().map(|(lines, _)| lines.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (files, lines) = (files.clone(), lines.clone());
        async move { Ok::<_, Infallible>(answer(&files, lines.as_deref(), &request).await) }
    });
    let verbose = args.verbose;
    let served = serve(listener, service)
        .max_connections(args.max_connections)
        .header_timeout(args.header_timeout)
        .idle_timeout(args.idle_timeout)
        .write_timeout(args.write_timeout)
        .drain_timeout(args.shutdown_timeout)
        // What hyper collects before it sends: enough to keep the socket busy, little enough for many connections.
        .http1(|http| {
            http.max_buf_size(4 * CHUNK);
        })
        .on_error(move |error| {
            if verbose {
                eprintln!("sakia-serve: a connection failed: {error}");
            }
        })
        .with_graceful_shutdown(stop)
        .await;
    if let Some((lines, writer)) = log {
        lines.close();
        match sakia::time::timeout(END, writer).await {
            Ok(Ok(0)) => {}
            Ok(Ok(lost)) => eprintln!("sakia-serve: {lost} lines of the access log were lost"),
            _ => eprintln!("sakia-serve: the access log was not written to its end"),
        }
    }
    served
}

/// Answers a request, and notes it.
async fn answer(files: &Files, log: Option<&Log>, request: &Request<Incoming>) -> Response<Body> {
    let response = files.answer(request).await;
    if let Some(log) = log {
        let len = response.headers().get(CONTENT_LENGTH);
        let len = len.and_then(|len| len.to_str().ok()?.parse().ok());
        log.note(&Entry {
            peer: request.extensions().get().map(|ConnectInfo(peer)| *peer),
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            status: response.status(),
            len: len.or_else(|| response.body().size_hint().exact()),
        });
    }
    response
}

/// Waits for Ctrl-C, or for a service manager's SIGTERM.
async fn stop_signal(patience: Duration) {
    let mut interrupt = pin!(signal::ctrl_c());
    let mut terminate = pin!(signal::terminate());
    let told = poll_fn(|cx| match interrupt.as_mut().poll(cx) {
        Poll::Pending => terminate.as_mut().poll(cx),
        ready => ready,
    });
    match told.await {
        Ok(()) => say(&format!(
            "\nStopping: requests under way may take {patience:?} to finish; Ctrl-C again ends at once"
        )),
        // A server that could not be stopped is not to go on.
        Err(error) => eprintln!("sakia-serve: cannot listen for signals: {error}"),
    }
}

fn summary(served: &Served) -> String {
    let mut text = format!(
        "Served {} requests on {} connections",
        served.requests(),
        served.connections()
    );
    for (n, what) in [
        (served.failed(), "broken off"),
        (served.timed_out(), "timed out"),
        (served.panicked(), "panicked"),
        (served.aborted(), "ended before they were done"),
    ] {
        if n > 0 {
            text += &format!(", {n} {what}");
        }
    }
    text
}

fn about(dir: &std::path::Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", dir.display()))
}

/// Prints a line; whoever has closed our stdout does not want to read it.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
