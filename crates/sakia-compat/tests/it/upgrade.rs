//! Upgrades: a connection that changes hands, over sakia itself; what still counts for it, and what no longer does.

use std::convert::Infallible;
use std::future::IntoFuture;
use std::io::{Read as _, Write as _};
use std::net::TcpStream as StdStream;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use sakia::io::{AsyncRead, AsyncWriteExt};
use sakia_compat::{FromHyper, PollIo, serve};

use crate::help::*;
use crate::serve::*;

const ASK: &[u8] = b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

/// Answers 101, and echoes from then on.
async fn echo(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    sakia::spawn(async move {
        let mut io = FromHyper::new(upgrade.await.unwrap());
        loop {
            let (n, buf) = io.read(Vec::with_capacity(4096)).await;
            if n.unwrap() == 0 {
                return;
            }
            io.write_all(buf).await.0.unwrap();
        }
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "echo");
    Ok(response.body(Empty::new()).unwrap())
}

/// Asks for the upgrade, with words behind it that must not be lost.
fn upgraded(mut stream: StdStream) -> StdStream {
    stream.write_all(&[ASK, b"at once"].concat()).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{head:?}");
    let mut words = [0; 7];
    stream.read_exact(&mut words).unwrap();
    assert_eq!(&words, b"at once");
    stream
}

fn says(stream: &mut StdStream, word: &[u8]) {
    stream.write_all(word).unwrap();
    let mut got = vec![0; word.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, word);
}

#[test]
fn a_service_takes_a_connection_over_and_neither_timeouts_nor_the_stop_touch_it() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let server = serve(listener, service_fn(echo))
            .idle_timeout(Duration::from_millis(100))
            .with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        let mut stream = beside(move || {
            let mut stream = upgraded(dial(addr));
            std::thread::sleep(Duration::from_millis(300));
            says(&mut stream, b"still here");
            stream
        })
        .await;
        stop.set(true);
        let served = server.await.unwrap().unwrap();
        assert_eq!(
            (served.requests(), served.failed(), served.timed_out()),
            (1, 0, 0)
        );
        beside(move || {
            says(&mut stream, b"and after the stop");
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        })
        .await;
    });
}

#[test]
fn an_upgraded_connection_keeps_its_place_until_it_is_closed() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let server = serve(listener, service_fn(echo))
            .max_connections(1)
            .with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        beside(move || {
            let first = upgraded(dial(addr));
            let mut second = dial(addr);
            second.write_all(ASK).unwrap();
            second
                .set_read_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            let error = second.read(&mut [0]).unwrap_err();
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::WouldBlock,
                "the second waits"
            );
            second.set_read_timeout(Some(SOON)).unwrap();
            drop(first);
            second.read_exact(&mut [0; 12]).unwrap();
        })
        .await;
        stop.set(true);
        assert_eq!(server.await.unwrap().unwrap().connections(), 2);
    });
}

#[test]
fn hypers_client_upgrades_over_sakia_too() {
    run(async {
        let (listener, addr) = listener().await;
        let server = sakia::spawn(serve(listener, service_fn(echo)).into_future());
        let stream = sakia::net::TcpStream::connect(addr).await.unwrap();
        let io = sakia_compat::BoundIo::new(PollIo::new(stream));
        let (mut send, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        sakia::spawn(connection.with_upgrades());
        let request = Request::get("/echo")
            .header("host", "x")
            .header("connection", "upgrade")
            .header("upgrade", "echo")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = send.send_request(request).await.unwrap();
        let mut io = FromHyper::new(hyper::upgrade::on(response).await.unwrap());
        io.write_all("both ends").await.0.unwrap();
        let (result, buf) = sakia::io::AsyncReadExt::read_exact(&mut io, Box::new([0; 9])).await;
        result.unwrap();
        assert_eq!(&*buf, b"both ends");
        server.abort();
        drop(server.await);
    });
}
