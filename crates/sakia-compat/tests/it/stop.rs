//! The end of a server: at once for who is idle, in time for who is served, and by the deadline for the rest.

use std::future::pending;
use std::io::{Read as _, Write as _};
use std::net::TcpStream as StdStream;
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use sakia_compat::serve;

use crate::help::*;
use crate::serve::*;

const SLOW: Duration = Duration::from_millis(1500);

async fn slow(request: Request<Incoming>) -> Answer {
    match request.uri().path() {
        "/slow" => sakia::time::sleep(SLOW).await,
        "/never" => pending().await,
        _ => {}
    }
    answer("done")
}

#[test]
fn a_graceful_stop_closes_the_listener_and_idle_connections_and_lets_requests_finish() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let server = serve(listener, service_fn(slow)).with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        let (mut idle, mut fresh, mut busy) = beside(move || {
            let mut idle = dial(addr);
            send_get(&mut idle, "/");
            assert!(read_response(&mut idle).is_some());
            let mut busy = dial(addr);
            send_get(&mut busy, "/slow");
            let fresh = dial(addr);
            std::thread::sleep(Duration::from_millis(50));
            (idle, fresh, busy)
        })
        .await;
        let start = Instant::now();
        stop.set(true);
        beside(move || {
            assert_eq!(idle.read(&mut [0]).unwrap(), 0);
            assert_eq!(fresh.read(&mut [0]).unwrap(), 0);
            assert!(
                start.elapsed() < SLOW / 2,
                "who is idle need not wait for who is busy"
            );
            assert!(StdStream::connect(addr).is_err(), "nobody listens any more");
            assert_eq!(read_response(&mut busy).as_deref(), Some("done"));
            assert_eq!(busy.read(&mut [0]).unwrap(), 0, "it was the last one");
        })
        .await;
        let served = server.await.unwrap().unwrap();
        assert_eq!(
            (served.connections(), served.requests(), served.aborted()),
            (3, 2, 0)
        );
    });
}

#[test]
fn a_response_in_mid_transfer_is_finished_after_the_stop() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let body = pattern(16 << 20);
        let there = body.clone();
        let large =
            service_fn(move |_: Request<Incoming>| std::future::ready(answer(there.clone())));
        let server = serve(listener, large).with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        let mut stream = beside(move || {
            let mut stream = dial(addr);
            send_get(&mut stream, "/");
            stream.read_exact(&mut [0; 10]).unwrap();
            stream
        })
        .await;
        stop.set(true);
        let got = beside(move || {
            std::thread::sleep(Duration::from_millis(50));
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            got
        })
        .await;
        assert!(got.ends_with(&body), "{} bytes", got.len());
        assert_eq!(server.await.unwrap().unwrap().failed(), 0);
    });
}

#[test]
fn what_does_not_end_in_time_is_ended_and_counted() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let server = serve(listener, service_fn(slow))
            .drain_timeout(Duration::from_millis(100))
            .with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        let mut stream = beside(move || {
            let mut stream = dial(addr);
            stream
                .write_all(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            std::thread::sleep(Duration::from_millis(50));
            stream
        })
        .await;
        let start = Instant::now();
        stop.set(true);
        let served = server.await.unwrap().unwrap();
        assert!(start.elapsed() >= Duration::from_millis(100));
        assert_eq!((served.aborted(), served.requests()), (1, 1));
        beside(move || assert_eq!(stream.read(&mut [0]).unwrap(), 0)).await;
    });
}
