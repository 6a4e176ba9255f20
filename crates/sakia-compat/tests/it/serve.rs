//! `serve` in its daily work: who is served, how many at a time, and what a bad connection does to the others.

use std::cell::{Cell, RefCell};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::rc::Rc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use sakia::net::{TcpListener, UnixListener};
use sakia_compat::{ConnectInfo, serve};

use crate::help::*;

pub type Answer = Result<Response<Full<Bytes>>, std::convert::Infallible>;

pub fn answer(text: impl Into<Bytes>) -> Answer {
    Ok(Response::new(Full::new(text.into())))
}

pub async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// A future that is ready once the other side is dropped or says so.
pub fn trigger() -> (Rc<Cell<bool>>, impl Future<Output = ()>) {
    let flag = Rc::new(Cell::new(false));
    let seen = flag.clone();
    let wait = async move {
        while !seen.get() {
            sakia::time::sleep(Duration::from_millis(2)).await;
        }
    };
    (flag, wait)
}

pub fn send_get(stream: &mut StdStream, path: &str) {
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .unwrap();
}

/// Reads one response of a length that it tells; `None` if the connection ends before.
pub fn read_response(stream: &mut StdStream) -> Option<String> {
    let mut got = Vec::new();
    let mut byte = [0];
    while !got.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => got.push(byte[0]),
            Ok(_) => return None,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no answer"),
            Err(_) => return None,
        }
    }
    let head = String::from_utf8(got).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(String::from_utf8(body).unwrap())
}

pub fn get(addr: SocketAddr, path: &str) -> Option<String> {
    let mut stream = dial(addr);
    send_get(&mut stream, path);
    read_response(&mut stream)
}

#[test]
fn the_service_is_told_who_asks() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let who = service_fn(async |request: Request<Incoming>| {
            let ConnectInfo(peer): &ConnectInfo = request.extensions().get().unwrap();
            answer(peer.to_string())
        });
        let server = sakia::spawn(
            serve(listener, who)
                .with_graceful_shutdown(stopped)
                .into_future(),
        );
        beside(move || {
            let mut stream = dial(addr);
            for _ in 0..3 {
                send_get(&mut stream, "/");
                let me = stream.local_addr().unwrap().to_string();
                assert_eq!(read_response(&mut stream), Some(me));
            }
        })
        .await;
        stop.set(true);
        let served = server.await.unwrap().unwrap();
        assert_eq!(
            (served.connections(), served.requests(), served.failed()),
            (1, 3, 0)
        );
    });
}

#[test]
fn a_unix_listener_is_served_too() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).await.unwrap();
        let hello = service_fn(async |_: Request<Incoming>| answer("hello"));
        let server = sakia::spawn(serve(listener, hello).into_future());
        let got = beside(move || {
            let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
            let mut got = String::new();
            stream.read_to_string(&mut got).unwrap();
            got
        })
        .await;
        assert!(got.ends_with("hello"), "{got}");
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_panicking_service_ends_its_own_connection_only() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let touchy = service_fn(async |request: Request<Incoming>| {
            assert!(request.uri().path() != "/panic", "as asked");
            answer("fine")
        });
        let server = serve(listener, touchy).with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        beside(move || {
            let mut other = dial(addr);
            send_get(&mut other, "/");
            assert!(read_response(&mut other).is_some());
            assert_eq!(get(addr, "/panic"), None);
            send_get(&mut other, "/");
            assert_eq!(read_response(&mut other).as_deref(), Some("fine"));
            assert_eq!(get(addr, "/").as_deref(), Some("fine"));
        })
        .await;
        stop.set(true);
        let served = server.await.unwrap().unwrap();
        assert_eq!(
            (served.connections(), served.panicked(), served.requests()),
            (3, 1, 4)
        );
    });
}

#[test]
fn no_connection_is_accepted_at_the_limit_and_the_next_one_when_a_place_is_free() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let hello = service_fn(async |_: Request<Incoming>| answer("hello"));
        let server = serve(listener, hello)
            .max_connections(2)
            .with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        beside(move || {
            let mut streams = [dial(addr), dial(addr), dial(addr)];
            for stream in &mut streams {
                send_get(stream, "/");
            }
            let [first, second, third] = &mut streams;
            assert!(read_response(first).is_some());
            assert!(read_response(second).is_some());
            third
                .set_read_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            let error = third.read(&mut [0]).unwrap_err();
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::WouldBlock,
                "the third waits"
            );
            third.set_read_timeout(Some(SOON)).unwrap();
            let [first, _, mut third] = streams;
            drop(first);
            assert_eq!(read_response(&mut third).as_deref(), Some("hello"));
        })
        .await;
        stop.set(true);
        assert_eq!(server.await.unwrap().unwrap().connections(), 3);
    });
}

#[test]
fn what_is_no_http_is_counted_told_and_harms_nobody() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let hello = service_fn(async |_: Request<Incoming>| answer("hello"));
        let errors = Rc::new(RefCell::new(Vec::new()));
        let noted = errors.clone();
        let server = serve(listener, hello)
            .on_error(move |error| noted.borrow_mut().push(error.to_string()))
            .with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        beside(move || {
            let mut stream = dial(addr);
            stream
                .write_all(b"\x16\x03\x01 this is not http\r\n\r\n")
                .unwrap();
            let mut got = Vec::new();
            let _ = stream.read_to_end(&mut got);
            assert!(got.is_empty() || got.starts_with(b"HTTP/1.1 400"));
            assert!(get(addr, "/").is_some());
        })
        .await;
        stop.set(true);
        let served = server.await.unwrap().unwrap();
        assert_eq!((served.failed(), served.requests()), (1, 1));
        assert_eq!(errors.borrow().len(), 1);
    });
}

#[test]
fn dropping_the_server_ends_its_connections_and_frees_the_port() {
    run(async {
        let (listener, addr) = listener().await;
        let hello = service_fn(async |_: Request<Incoming>| answer("hello"));
        let server = sakia::spawn(serve(listener, hello).into_future());
        let mut stream = beside(move || {
            let mut stream = dial(addr);
            send_get(&mut stream, "/");
            assert!(read_response(&mut stream).is_some());
            stream
        })
        .await;
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        beside(move || assert_eq!(stream.read(&mut [0]).unwrap(), 0)).await;
        TcpListener::bind(addr).await.unwrap();
    });
}
