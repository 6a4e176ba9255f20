//! hyper over the bridge, both ends of it: bodies, pipelines, requests that come in pieces.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use sakia::net::UnixStream;
use sakia_compat::{PollIo, SakiaTimer};

use crate::help::*;

type Answer = Result<Response<Full<Bytes>>, hyper::Error>;

/// Answers with the request's body, reversed.
async fn reverse(request: Request<Incoming>) -> Answer {
    let mut body = request.into_body().collect().await?.to_bytes().to_vec();
    body.reverse();
    Ok(Response::new(Full::new(body.into())))
}

/// Answers with the path.
async fn path(request: Request<Incoming>) -> Answer {
    Ok(Response::new(Full::new(
        request.uri().path().to_owned().into(),
    )))
}

#[test]
fn large_bodies_go_both_ways_between_hypers_client_and_server() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = sakia::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(SakiaTimer);
            http.serve_connection(PollIo::new(theirs), service_fn(reverse))
                .await
        });
        let io = PollIo::new(ours);
        let (mut send, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let client = sakia::spawn(connection);
        for len in [0, 1, 1000, 16 * 1024, 100_000, 5 << 20] {
            let sent = pattern(len);
            let request = Request::post("/")
                .body(Full::new(Bytes::from(sent.clone())))
                .unwrap();
            let response = send.send_request(request).await.unwrap();
            let mut got = response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .to_vec();
            got.reverse();
            assert!(got == sent, "a body of {len} bytes");
        }
        drop(send);
        client.await.unwrap().unwrap();
        server.await.unwrap().unwrap();
    });
}

/// Serves one connection of a client of std's, which is given the stream.
async fn served<T: Send + 'static>(
    client: impl FnOnce(std::net::TcpStream) -> T + Send + 'static,
) -> T {
    let (io, peer) = pair();
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(SakiaTimer);
    let server = sakia::spawn(http.serve_connection(io, service_fn(path)));
    let answer = beside(move || client(peer)).await;
    server.await.unwrap().unwrap();
    answer
}

/// Reads to the end, and counts the answers in it.
fn answers(mut stream: std::net::TcpStream) -> (usize, String) {
    let mut got = String::new();
    stream.read_to_string(&mut got).unwrap();
    (got.matches("HTTP/1.1 200 OK").count(), got)
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    run(async {
        let (count, got) = served(|mut stream| {
            let one = |n: u32| format!("GET /n{n}. HTTP/1.1\r\nHost: x\r\n\r\n");
            let all: String = (0..50).map(one).collect();
            stream.write_all(all.as_bytes()).unwrap();
            stream
                .write_all(b"GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                .unwrap();
            answers(stream)
        })
        .await;
        assert_eq!(count, 51);
        let places: Vec<_> = (0..50)
            .map(|n| got.find(&format!("/n{n}.")).unwrap())
            .collect();
        assert!(places.is_sorted());
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    run(async {
        let (count, got) = served(|mut stream| {
            stream.set_nodelay(true).unwrap();
            for byte in b"GET /slowly HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" {
                stream.write_all(&[*byte]).unwrap();
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            answers(stream)
        })
        .await;
        assert_eq!(count, 1);
        assert!(got.ends_with("/slowly"));
    });
}

#[test]
fn a_client_that_ends_its_way_after_the_request_still_gets_the_answer() {
    run(async {
        let (io, mut peer) = pair();
        let mut http = hyper::server::conn::http1::Builder::new();
        http.half_close(true);
        let server = sakia::spawn(http.serve_connection(io, service_fn(path)));
        let (count, _) = beside(move || {
            peer.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            answers(peer)
        })
        .await;
        assert_eq!(count, 1);
        server.await.unwrap().unwrap();
    });
}
