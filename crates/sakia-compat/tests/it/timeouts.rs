//! The timeouts of a served connection: each fires on what it is for, and on nothing else.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::TcpStream as StdStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use sakia_compat::{Served, serve};

use crate::help::*;
use crate::serve::*;

const SHORT: Duration = Duration::from_millis(300);

/// Serves a client of std's, with these timeouts: of a head, of idleness, of a write.
async fn served(
    [head, idle, write]: [Option<Duration>; 3],
    client: impl FnOnce(StdStream) + Send + 'static,
) -> Served {
    let (listener, addr) = listener().await;
    let (stop, stopped) = trigger();
    let slow = service_fn(async |request: Request<Incoming>| {
        match request.uri().path() {
            "/slow" => sakia::time::sleep(4 * SHORT).await,
            "/large" => return answer(vec![b'x'; 32 << 20]),
            _ => {}
        }
        answer("hello")
    });
    let server = serve(listener, slow)
        .header_timeout(head)
        .idle_timeout(idle)
        .write_timeout(write)
        .with_graceful_shutdown(stopped);
    let server = sakia::spawn(server.into_future());
    beside(move || client(dial(addr))).await;
    stop.set(true);
    server.await.unwrap().unwrap()
}

/// Waits until the server has closed the connection; answers how long that took.
fn wait_for_close(stream: &mut StdStream) -> Duration {
    let start = Instant::now();
    // An end or a reset, never a timeout of ours.
    match stream.read(&mut [0]) {
        Ok(n) => assert_eq!(n, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    start.elapsed()
}

#[test]
fn a_head_that_does_not_end_is_cut_off_however_it_drips() {
    run(async {
        let drip = |mut stream: StdStream| {
            let start = Instant::now();
            for byte in b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: "
                .iter()
                .chain(std::iter::repeat(&b'a'))
            {
                if stream.write_all(&[*byte]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
                assert!(start.elapsed() < SOON, "nothing cut it off");
            }
            assert!(start.elapsed() >= SHORT);
        };
        let served = served([Some(SHORT), None, None], drip).await;
        assert_eq!((served.timed_out(), served.requests()), (1, 0));
    });
}

#[test]
fn an_idle_connection_is_closed_and_counts_from_its_last_response() {
    run(async {
        let client = |mut stream: StdStream| {
            for _ in 0..4 {
                std::thread::sleep(SHORT / 3);
                send_get(&mut stream, "/");
                read_response(&mut stream).expect("it was not idle for long enough");
            }
            let took = wait_for_close(&mut stream);
            assert!(took >= SHORT - Duration::from_millis(20), "{took:?}");
        };
        let served = served([None, Some(SHORT), None], client).await;
        assert_eq!((served.timed_out(), served.requests()), (1, 4));
    });
}

#[test]
fn a_connection_that_never_says_a_word_is_idle() {
    run(async {
        let client = |mut stream: StdStream| {
            wait_for_close(&mut stream);
        };
        let served = served([None, Some(SHORT), None], client).await;
        assert_eq!(served.timed_out(), 1);
    });
}

#[test]
fn a_slow_service_is_no_idle_connection_and_no_slow_head() {
    run(async {
        let client = |mut stream: StdStream| {
            send_get(&mut stream, "/slow");
            assert_eq!(read_response(&mut stream).as_deref(), Some("hello"));
        };
        let served = served([Some(SHORT); 3], client).await;
        assert_eq!((served.timed_out(), served.requests()), (0, 1));
    });
}

/// A body that takes its time between its bytes.
struct Slow {
    left: u8,
    nap: sakia::time::Sleep,
}

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(Pin::new(&mut self.nap).poll(cx));
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.nap.reset(sakia::time::now() + 2 * SHORT);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
    }
}

#[test]
fn a_response_that_comes_slowly_is_no_idle_connection() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let slow = service_fn(async |_: Request<Incoming>| {
            let nap = sakia::time::sleep(SHORT);
            Ok::<_, Infallible>(Response::new(Slow { left: 3, nap }))
        });
        let server = serve(listener, slow)
            .header_timeout(SHORT)
            .idle_timeout(SHORT)
            .write_timeout(SHORT)
            .with_graceful_shutdown(stopped);
        let server = sakia::spawn(server.into_future());
        let got = beside(move || {
            let mut stream = dial(addr);
            send_get(&mut stream, "/");
            let mut got = String::new();
            stream.read_to_string(&mut got).unwrap();
            got
        })
        .await;
        assert!(
            got.ends_with("1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n0\r\n\r\n"),
            "{got}"
        );
        stop.set(true);
        // Idle after its end, as any other.
        assert_eq!(server.await.unwrap().unwrap().timed_out(), 1);
    });
}

#[test]
fn a_peer_that_takes_nothing_of_its_response_is_cut_off() {
    run(async {
        let client = |mut stream: StdStream| {
            send_get(&mut stream, "/large");
            std::thread::sleep(4 * SHORT);
            let mut got = Vec::new();
            let _ = stream.read_to_end(&mut got);
            assert!(got.len() < 32 << 20, "it was not cut off");
        };
        let served = served([None, None, Some(SHORT)], client).await;
        assert_eq!(served.timed_out(), 1);
    });
}

#[test]
fn a_peer_that_takes_its_response_slowly_gets_all_of_it() {
    run(async {
        let client = |mut stream: StdStream| {
            send_get(&mut stream, "/large");
            let mut left = 32usize << 20;
            let mut block = vec![0; 1 << 20];
            while left > 0 {
                std::thread::sleep(SHORT / 10);
                let n = stream.read(&mut block).unwrap();
                assert!(n > 0, "cut off with {left} bytes to go");
                left = left.saturating_sub(n);
            }
        };
        let served = served([None, None, Some(SHORT)], client).await;
        assert_eq!(served.timed_out(), 0);
    });
}
