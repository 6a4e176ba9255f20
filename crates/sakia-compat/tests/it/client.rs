//! hyper-util's pooling client on sakia, and `BoundIo` where it may not be used.

use std::io::Write as _;
use std::net::TcpListener;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use sakia::net::UnixStream;
use sakia_compat::{BoundIo, PollIo, SakiaConnector, SakiaExecutor, SakiaTimer};
use tokio::io::AsyncWriteExt as _;

use crate::help::*;

fn client() -> Client<SakiaConnector, Empty<Bytes>> {
    Client::builder(SakiaExecutor)
        .pool_timer(SakiaTimer)
        .build(SakiaConnector)
}

#[test]
fn the_pooling_client_uses_one_connection_again_and_the_end_of_the_runtime_closes_it() {
    let served = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        // A server of std's, which accepts once and sees the connection's end.
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            let mut requests = 0;
            let mut seen = Vec::new();
            let mut block = [0; 4096];
            loop {
                let n = std::io::Read::read(&mut stream, &mut block).unwrap();
                if n == 0 {
                    return requests;
                }
                seen.extend_from_slice(&block[..n]);
                if seen.ends_with(b"\r\n\r\n") {
                    seen.clear();
                    requests += 1;
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{requests}");
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        let client = client();
        for n in 1..=3 {
            let uri = format!("http://{addr}/").parse().unwrap();
            let response = client.get(uri).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, n.to_string());
        }
        served
    });
    assert_eq!(served.join().unwrap(), 3);
}

#[test]
fn the_connector_says_that_it_speaks_no_tls() {
    run(async {
        let error = client()
            .get("https://localhost/".parse().unwrap())
            .await
            .unwrap_err();
        assert!(error.is_connect());
        let told = std::error::Error::source(&error).unwrap().to_string();
        assert!(told.contains("TLS"), "{told}");
    });
}

#[test]
fn a_bound_stream_that_is_dropped_elsewhere_goes_home_and_loses_nothing() {
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        let mut io = BoundIo::new(PollIo::new(a));
        io.write_all(b"sent").await.unwrap();
        std::thread::spawn(move || drop(io)).join().unwrap();
        let (result, got) = b.read_to_end(Vec::new()).await;
        result.unwrap();
        assert_eq!(got, b"sent", "and the end, once it was dropped at home");
    });
}

#[test]
fn a_bound_stream_that_is_used_elsewhere_panics_and_harms_nothing() {
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        let io = BoundIo::new(PollIo::new(a));
        let (mut io, message) = std::thread::spawn(move || {
            let mut io = io;
            let used = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                let io = std::pin::Pin::new(&mut io);
                tokio::io::AsyncWrite::poll_flush(io, &mut cx).is_ready()
            }));
            (io, *used.unwrap_err().downcast::<String>().unwrap())
        })
        .join()
        .unwrap();
        assert!(message.contains("was used on thread"), "{message}");
        io.write_all(b"at home").await.unwrap();
        assert_eq!(b.read(Vec::with_capacity(16)).await.1, b"at home");
    });
}
