//! HTTP/2 beside HTTP/1 on one listener: who speaks what is seen from the first bytes, however they come.

use std::cell::Cell;
use std::future::IntoFuture;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use sakia_compat::{PollIo, SakiaExecutor, SakiaTimer, serve};

use crate::help::*;
use crate::serve::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

thread_local! {
    /// Whether what is slow may come to its end: server and test are one thread.
    static MAY_END: Cell<bool> = const { Cell::new(false) };
}

async fn service(request: Request<Incoming>) -> Answer {
    match request.uri().path() {
        "/slow" => {
            while !MAY_END.get() {
                sakia::time::sleep(Duration::from_millis(1)).await;
            }
        }
        "/never" => std::future::pending().await,
        "/large" => return answer(pattern(1 << 20)),
        _ => {}
    }
    answer(format!("{:?}", request.version()))
}

async fn client(addr: std::net::SocketAddr) -> SendRequest<Empty<Bytes>> {
    let stream = sakia::net::TcpStream::connect(addr).await.unwrap();
    let (send, connection) = hyper::client::conn::http2::Builder::new(SakiaExecutor)
        .timer(SakiaTimer)
        .handshake(PollIo::new(stream))
        .await
        .unwrap();
    sakia::spawn(connection);
    send
}

async fn ask(
    send: &SendRequest<Empty<Bytes>>,
    path: &str,
) -> Result<(StatusCode, Bytes), hyper::Error> {
    let request = Request::get(format!("http://x{path}")).body(Empty::new());
    let response = send.clone().send_request(request.unwrap()).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, body))
}

#[test]
fn one_listener_serves_both_versions_at_once() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let server = serve(listener, service_fn(service)).with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        let send = client(addr).await;
        let slow = {
            let send = send.clone();
            sakia::spawn(async move { ask(&send, "/slow").await.unwrap() })
        };
        assert_eq!(ask(&send, "/").await.unwrap().1, "HTTP/2.0");
        assert!(ask(&send, "/large").await.unwrap().1 == pattern(1 << 20));
        assert!(!slow.is_finished(), "streams do not wait for each other");
        assert_eq!(beside(move || get(addr, "/")).await.unwrap(), "HTTP/1.1");
        // A stop lets the stream under way finish.
        stop.set(true);
        MAY_END.set(true);
        assert_eq!(slow.await.unwrap().1, "HTTP/2.0");
        let served = server.await.unwrap().unwrap();
        assert_eq!(
            (served.connections(), served.requests(), served.failed()),
            (2, 4, 0)
        );
    });
}

#[test]
fn a_server_that_speaks_http1_alone_turns_the_preface_away() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let server = serve(listener, service_fn(service))
            .http1_only()
            .with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        beside(move || {
            let mut stream = dial(addr);
            stream.write_all(PREFACE).unwrap();
            let mut got = Vec::new();
            let _ = stream.read_to_end(&mut got);
            assert!(got.is_empty() || got.starts_with(b"HTTP/1.1 4"), "{got:?}");
        })
        .await;
        stop.set(true);
        assert_eq!(server.await.unwrap().unwrap().failed(), 1);
    });
}

#[test]
fn a_preface_and_a_request_may_come_byte_by_byte() {
    run(async {
        let (listener, addr) = listener().await;
        let server = sakia::spawn(serve(listener, service_fn(service)).into_future());
        beside(move || {
            let drip = |bytes: &[u8]| {
                let mut stream = dial(addr);
                stream.set_nodelay(true).unwrap();
                for byte in bytes {
                    stream.write_all(&[*byte]).unwrap();
                    std::thread::sleep(Duration::from_micros(200));
                }
                stream
            };
            // The preface and an empty SETTINGS; the server's own SETTINGS come back.
            let mut stream = drip(&[PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat());
            let mut frame = [0; 9];
            stream.read_exact(&mut frame).unwrap();
            assert_eq!(frame[3], 4, "{frame:?}");
            // It begins like one, and is a request of HTTP/1 after all.
            let mut stream = drip(b"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(read_response(&mut stream).as_deref(), Some("HTTP/1.1"));
        })
        .await;
        server.abort();
        drop(server.await);
    });
}

#[test]
fn a_preface_that_does_not_come_to_an_end_is_cut_off_and_a_stop_does_not_wait_for_it() {
    run(async {
        let limit = Duration::from_millis(200);
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let server = serve(listener, service_fn(service))
            .header_timeout(limit)
            .with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        beside(move || {
            let mut stream = dial(addr);
            stream.write_all(&PREFACE[..10]).unwrap();
            let start = Instant::now();
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
            assert!(start.elapsed() >= limit - Duration::from_millis(20));
        })
        .await;
        let mut silent = beside(move || {
            let stream = dial(addr);
            std::thread::sleep(Duration::from_millis(50));
            stream
        })
        .await;
        stop.set(true);
        let served = server.await.unwrap().unwrap();
        assert_eq!((served.timed_out(), served.connections()), (1, 2));
        beside(move || assert_eq!(silent.read(&mut [0]).unwrap(), 0)).await;
    });
}

#[test]
fn an_idle_connection_of_http2_is_not_taken_for_a_slow_head_and_is_closed_in_its_time() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let idle = Duration::from_millis(600);
        let server = serve(listener, service_fn(service))
            .header_timeout(Duration::from_millis(100))
            .idle_timeout(idle)
            .with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        let send = client(addr).await;
        ask(&send, "/large").await.unwrap();
        // WINDOW_UPDATEs have come since, which are no head.
        sakia::time::sleep(Duration::from_millis(250)).await;
        ask(&send, "/").await.expect("the connection was cut off");
        let start = Instant::now();
        let mut send = send;
        while send.ready().await.is_ok() {
            sakia::time::sleep(Duration::from_millis(20)).await;
            assert!(start.elapsed() < SOON, "nobody closed it");
        }
        stop.set(true);
        assert_eq!(server.await.unwrap().unwrap().timed_out(), 1);
    });
}

#[test]
fn streams_end_with_their_connection_though_they_are_tasks_of_their_own() {
    run(async {
        let (listener, addr) = listener().await;
        let under_way = std::rc::Rc::new(());
        let counted = under_way.clone();
        let never = service_fn(move |_: Request<Incoming>| {
            let held = counted.clone();
            async move {
                std::future::pending::<()>().await;
                drop(held);
                answer("")
            }
        });
        let (stop, stopped) = trigger();
        let server = serve(listener, never)
            .drain_timeout(Duration::from_millis(100))
            .with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        let send = client(addr).await;
        let asked = sakia::spawn(async move { ask(&send, "/never").await });
        while std::rc::Rc::strong_count(&under_way) < 3 {
            sakia::time::sleep(Duration::from_millis(2)).await;
        }
        stop.set(true);
        let served = server.await.unwrap().unwrap();
        assert_eq!((served.requests(), served.aborted()), (1, 1));
        asked.await.unwrap().unwrap_err();
        let start = Instant::now();
        while std::rc::Rc::strong_count(&under_way) > 1 {
            sakia::time::sleep(Duration::from_millis(2)).await;
            assert!(start.elapsed() < SOON, "the stream's task lives on");
        }
    });
}
