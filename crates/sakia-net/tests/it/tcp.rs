//! TCP streams and listeners that are awaited to the end: every method, both families, the ends of streams.

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpStream as StdStream};

use futures_util::join;
use sakia_buf::IoBuf;
use sakia_net::{TcpListener, TcpStream};

use crate::common::{loopback, pair, read_all, read_some, run};

#[test]
fn bytes_go_both_ways_on_both_families() {
    run(async {
        for addr in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(addr).await.unwrap();
            let addr = listener.local_addr().unwrap();
            let (client, accepted) = join!(TcpStream::connect(addr), listener.accept());
            let (client, (server, from)) = (client.unwrap(), accepted.unwrap());
            assert_eq!(from, client.local_addr().unwrap());
            assert_eq!(from, server.peer_addr().unwrap());
            assert_eq!(client.peer_addr().unwrap(), addr);

            client.write_all("there").await.0.unwrap();
            assert_eq!(server.read(Vec::with_capacity(9)).await.1, b"there");
            assert_eq!(server.write("back").await.0.unwrap(), 4);
            assert_eq!(client.read(Vec::with_capacity(9)).await.1, b"back");
        }
    });
}

#[test]
fn a_read_of_nothing_is_ready_at_once_and_is_not_the_end() {
    run(async {
        let (ours, mut peer) = pair().await;
        assert_eq!(ours.read(Vec::new()).await.0.unwrap(), 0);
        assert_eq!(ours.readv([Vec::new(), Vec::new()]).await.0.unwrap(), 0);
        assert_eq!(ours.write("").await.0.unwrap(), 0);
        assert_eq!(ours.writev(["", ""]).await.0.unwrap(), 0);
        ours.read_exact(Vec::new()).await.0.unwrap();
        ours.write_all(Vec::new()).await.0.unwrap();
        assert_eq!(ours.try_read(&mut []).unwrap(), 0);

        peer.write_all(b"more").unwrap();
        assert_eq!(ours.read(Vec::new()).await.0.unwrap(), 0);
        assert_eq!(ours.read(Vec::with_capacity(8)).await.1, b"more");
    });
}

#[test]
fn the_end_of_the_stream_is_read_as_zero_again_and_again() {
    run(async {
        let (ours, mut peer) = pair().await;
        peer.write_all(b"last").unwrap();
        drop(peer);
        assert_eq!(ours.read(Vec::with_capacity(8)).await.1, b"last");
        for _ in 0..3 {
            assert_eq!(ours.read(vec![0; 8]).await.0.unwrap(), 0);
            assert_eq!(ours.peek(vec![0; 8]).await.0.unwrap(), 0);
            ours.readable().await.unwrap();
            assert_eq!(ours.try_read(&mut [0; 8]).unwrap(), 0);
        }
    });
}

#[test]
fn read_exact_fills_the_buffer_over_many_arrivals_and_says_when_the_stream_ends_before() {
    run(async {
        let (ours, mut peer) = pair().await;
        let writer = std::thread::spawn(move || {
            for byte in 0..10u8 {
                peer.write_all(&[byte]).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
        let (result, buf) = ours.read_exact(Box::new([0; 6])).await;
        result.unwrap();
        assert_eq!(*buf, [0, 1, 2, 3, 4, 5]);

        let (result, buf) = ours.read_exact(Vec::with_capacity(100).slice(..100)).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(buf.into_inner(), [6, 7, 8, 9]);
        writer.join().unwrap();
    });
}

#[test]
fn vectored_reads_and_writes_keep_the_order_of_their_buffers() {
    run(async {
        let (ours, mut peer) = pair().await;
        peer.write_all(b"abcdef").unwrap();
        let bufs = [
            Vec::with_capacity(2).slice(..2),
            Vec::new().slice(..),
            vec![0; 9].slice(..),
        ];
        let (n, [one, two, three]) = ours.readv(bufs).await;
        assert_eq!(
            (n.unwrap(), &one[..], &two[..], &three[..4]),
            (6, &b"ab"[..], &b""[..], &b"cdef"[..])
        );

        assert_eq!(ours.writev(["12", "", "345"]).await.0.unwrap(), 5);
        assert_eq!(read_some(&mut peer, 9), b"12345");
    });
}

#[test]
fn what_was_peeked_is_still_there() {
    run(async {
        let (ours, mut peer) = pair().await;
        peer.write_all(b"peek").unwrap();
        assert_eq!(
            ours.peek(Vec::with_capacity(2).slice(..2)).await.1[..],
            *b"pe"
        );
        assert_eq!(ours.peek(Vec::with_capacity(8)).await.1, b"peek");
        assert_eq!(ours.read(Vec::with_capacity(8)).await.1, b"peek");
    });
}

#[test]
fn try_read_and_try_write_never_wait() {
    run(async {
        let (ours, mut peer) = pair().await;
        let mut buf = [0; 8];
        assert_eq!(
            ours.try_read(&mut buf).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        peer.write_all(b"now").unwrap();
        ours.readable().await.unwrap();
        assert_eq!(ours.try_read(&mut buf).unwrap(), 3);
        assert_eq!(&buf[..3], b"now");

        ours.writable().await.unwrap();
        assert_eq!(ours.try_write(b"then").unwrap(), 4);
        assert_eq!(read_some(&mut peer, 8), b"then");
        let full = loop {
            if let Err(error) = ours.try_write(&[7; 1 << 16]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);

        // Whoever waits is told when there is room again.
        let reader = std::thread::spawn(move || read_all(&mut peer));
        ours.writable().await.unwrap();
        assert!(ours.try_write(&[7; 1 << 16]).unwrap() > 0);
        drop(ours);
        assert!(reader.join().unwrap().iter().all(|byte| *byte == 7));
    });
}

#[test]
fn a_write_to_a_peer_that_has_gone_is_an_error() {
    run(async {
        let (ours, mut peer) = pair().await;
        ours.write_all("unread").await.0.unwrap();
        peer.set_read_timeout(None).unwrap();
        let _ = read_some(&mut peer, 2);
        // It closes with bytes unread, so it answers with a reset.
        drop(peer);
        let error = loop {
            if let Err(error) = ours.write_all(vec![1; 1000]).await.0 {
                break error;
            }
        };
        assert!(
            matches!(
                error.kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            ),
            "{error}"
        );
        let error = ours.writev(["a", "b"]).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(
            ours.try_write(b"x").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

#[test]
fn shutdown_of_one_side_leaves_the_other_open() {
    run(async {
        let (ours, mut peer) = pair().await;
        ours.write_all("all").await.0.unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut peer), b"all");
        assert_eq!(
            ours.write("x").await.0.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        peer.write_all(b"answer").unwrap();
        assert_eq!(ours.read(Vec::with_capacity(8)).await.1, b"answer");
        ours.shutdown(Shutdown::Read).unwrap();
        assert_eq!(ours.read(vec![0; 8]).await.0.unwrap(), 0);
    });
}

#[test]
fn a_megabyte_arrives_whole_while_both_sides_talk() {
    run(async {
        let (ours, peer) = pair().await;
        let sent: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
        let echo = std::thread::spawn(move || {
            let mut from = peer.try_clone().unwrap();
            let mut to = peer;
            std::io::copy(&mut from, &mut to).unwrap();
        });
        let write = async {
            ours.write_all(sent.clone()).await.0.unwrap();
            ours.shutdown(Shutdown::Write).unwrap();
        };
        let read = ours.read_exact(Vec::with_capacity(1 << 20).slice(..1 << 20));
        let ((), (result, back)) = join!(write, read);
        result.unwrap();
        assert_eq!(back.into_inner(), sent);
        echo.join().unwrap();
    });
}

#[test]
fn incoming_gives_one_connection_after_the_other() {
    run(async {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let peers: Vec<_> = (0..3).map(|_| StdStream::connect(addr).unwrap()).collect();
        let mut incoming = listener.incoming();
        for peer in &peers {
            let stream = incoming.next().await.expect("it never ends").unwrap();
            assert_eq!(stream.peer_addr().unwrap(), peer.local_addr().unwrap());
        }
    });
}

#[test]
fn sockets_come_from_std_and_go_back_to_it() {
    run(async {
        let listener = std::net::TcpListener::bind(loopback()).unwrap();
        let addr: SocketAddr = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let peer = StdStream::connect(addr).unwrap();
        let (served, _) = listener.accept().await.unwrap();

        peer.set_nonblocking(true).unwrap();
        let ours = TcpStream::from_std(peer).unwrap();
        served.write_all("ping").await.0.unwrap();
        assert_eq!(ours.read(Vec::with_capacity(8)).await.1, b"ping");

        let (mut std, leftovers) = served.into_std().await.unwrap();
        assert!(leftovers.is_empty());
        std.write_all(b"plain").unwrap();
        assert_eq!(ours.read(Vec::with_capacity(8)).await.1, b"plain");

        let (listener, leftovers) = listener.into_std().await.unwrap();
        assert!(leftovers.is_empty());
        assert_eq!(listener.local_addr().unwrap(), addr);
        assert_eq!(
            listener.accept().unwrap_err().kind(),
            ErrorKind::WouldBlock,
            "as it came"
        );
    });
}

#[test]
fn close_is_awaited_and_the_peer_sees_the_end() {
    run(async {
        let (ours, mut peer) = pair().await;
        ours.close().await.unwrap();
        assert_eq!(read_all(&mut peer), b"");
    });
}
