//! The examples with clients that know nothing of sakia: the code is the examples' own.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tungstenite::Message;

use crate::help::*;
use crate::serve::*;

// `main` is for who runs them.
#[allow(dead_code)]
#[path = "../../examples/axum_app.rs"]
mod axum_app;
#[allow(dead_code)]
#[path = "../../examples/axum_websocket.rs"]
mod axum_websocket;
#[allow(dead_code)]
#[path = "../../examples/embed_tokio.rs"]
mod embed_tokio;
#[allow(dead_code)]
#[path = "../../examples/tls_echo.rs"]
mod tls_echo;

#[test]
fn the_axum_app_answers_knows_who_asks_and_stops_gracefully() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let app = sakia::spawn(axum_app::run(listener, stopped));
        let mut idle = beside(move || {
            let mut stream = dial(addr);
            let me = stream.local_addr().unwrap();
            send_get(&mut stream, "/");
            let hello = read_response(&mut stream).unwrap();
            assert_eq!(hello, format!("hello, {me}\n"));
            let body = r#"{"numbers": [1, 2, 39]}"#;
            write!(
                stream,
                "POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
            assert_eq!(read_response(&mut stream).unwrap(), r#"{"sum":42}"#);
            send_get(&mut stream, "/os");
            assert_eq!(read_response(&mut stream).unwrap(), "Linux\n");
            stream
        })
        .await;
        stop.set(true);
        let served = app.await.unwrap().unwrap();
        assert_eq!((served.connections(), served.requests()), (1, 3));
        beside(move || assert_eq!(idle.read(&mut [0]).unwrap(), 0)).await;
    });
}

#[test]
fn the_websocket_app_talks_to_two_clients_at_once_and_takes_leave() {
    run(async {
        let (listener, addr) = listener().await;
        let (stop, stopped) = trigger();
        let app = sakia::spawn(axum_websocket::run(listener, stopped));
        beside(move || {
            let connect = || {
                let url = format!("ws://{addr}/ws");
                tungstenite::client(url, dial(addr)).unwrap().0
            };
            let (mut a, mut b) = (connect(), connect());
            a.send(Message::text("one")).unwrap();
            assert_eq!(a.read().unwrap().into_text().unwrap(), "1: one");
            b.send(Message::text("two")).unwrap();
            assert_eq!(b.read().unwrap().into_text().unwrap(), "2: two");
            let long = "x".repeat(200_000);
            a.send(Message::text(long.clone())).unwrap();
            assert_eq!(a.read().unwrap().into_text().unwrap(), format!("3: {long}"));
            a.send(Message::Ping(vec![7].into())).unwrap();
            assert_eq!(a.read().unwrap(), Message::Pong(vec![7].into()));
            a.close(None).unwrap();
            assert!(a.read().unwrap().is_close());
            assert!(matches!(
                a.read(),
                Err(tungstenite::Error::ConnectionClosed)
            ));
            // This one goes without a word.
            drop(b);
            // And this one is no handshake.
            let mut stream = dial(addr);
            send_get(&mut stream, "/ws");
            // All of it: what is left unread when it goes would be a reset, and the server right to count that.
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let at = head.len();
                head.push(0);
                stream.read_exact(&mut head[at..]).unwrap();
            }
            assert!(head.starts_with(b"HTTP/1.1 426"));
        })
        .await;
        stop.set(true);
        assert_eq!(app.await.unwrap().unwrap().failed(), 0);
    });
}

#[test]
fn sakia_inside_tokio_serves_axums_own_websocket_and_ends_clean() {
    let (started, start) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        embed_tokio::run("127.0.0.1:0", move |addr, handle| {
            started.send((addr, handle)).unwrap();
        })
    });
    let (addr, handle) = start.recv_timeout(SOON).unwrap();
    let connect = || {
        let url = format!("ws://{addr}/ws");
        tungstenite::client(url, dial(addr)).unwrap().0
    };
    let (mut a, mut b) = (connect(), connect());
    for n in 0..200 {
        let text = n.to_string();
        a.send(Message::text(text.clone())).unwrap();
        b.send(Message::binary(pattern(n * 500))).unwrap();
        assert_eq!(a.read().unwrap(), Message::text(text));
        assert_eq!(b.read().unwrap(), Message::binary(pattern(n * 500)));
        // Asleep in epoll, or on its way there, when the next one comes.
        std::thread::sleep(std::time::Duration::from_micros(n as u64 * 10));
    }
    let mut plain = dial(addr);
    send_get(&mut plain, "/");
    assert_eq!(read_response(&mut plain).unwrap(), "Linux\n");
    a.close(None).unwrap();
    assert!(a.read().unwrap().is_close());
    // This one goes without a word.
    drop(b);
    handle.request_shutdown();
    let (served, report) = server.join().unwrap().unwrap();
    assert_eq!((served.connections(), served.failed()), (3, 0));
    assert!(report.is_clean(), "{report}");
    assert_eq!(plain.read(&mut [0]).unwrap(), 0, "the peer sees the end");
    assert!(handle.is_closed());
}

#[test]
fn the_tls_echo_speaks_with_a_client_of_rustls_and_ends_as_tls_asks() {
    run(async {
        let (listener, addr) = listener().await;
        let (acceptor, cert) = tls_echo::identity().unwrap();
        let echo = acceptor.clone();
        let server = sakia::spawn(tls_echo::run(listener, acceptor));
        let mut roots = RootCertStore::empty();
        roots.add(cert).unwrap();
        let config = Arc::new(
            ClientConfig::builder()
                .with_root_certificates(roots)
                .with_no_client_auth(),
        );
        let client = move |stream| {
            let session = ClientConnection::new(config.clone(), "localhost".try_into().unwrap());
            StreamOwned::new(session.unwrap(), stream)
        };
        let again = client.clone();
        beside(move || {
            let mut stream = client(dial(addr));
            let sent = pattern(3_000_000);
            for piece in sent.chunks(50_000) {
                stream.write_all(piece).unwrap();
                let mut got = vec![0; piece.len()];
                stream.read_exact(&mut got).unwrap();
                assert!(got == piece);
            }
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            // The end is told by TLS, not only by TCP: rustls makes an error of the latter.
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            // Whoever speaks no TLS is shown out, and harms nobody.
            let mut plain = dial(addr);
            plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let _ = plain.read_to_end(&mut Vec::new());
        })
        .await;
        server.abort();
        drop(server.await);

        // One connection alone tells how much it was.
        let (io, peer) = pair();
        let stream = io.into_parts().await.stream;
        let echoed = sakia::spawn(tls_echo::echo(stream, echo));
        beside(move || {
            let mut stream = again(peer);
            stream.write_all(b"seven b").unwrap();
            stream.read_exact(&mut [0; 7]).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        })
        .await;
        assert_eq!(echoed.await.unwrap().unwrap(), 7);
    });
}
