//! Unix sockets: paths, pairs, and the ways of a stream that they share with TCP.

use std::io::{ErrorKind, Write};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};

use futures_util::join;
use sakia_net::{UnixListener, UnixStream};

use crate::common::{for_turns, laps, pends, read_all, read_some, run};

#[test]
fn a_listener_at_a_path_is_connected_to_and_its_path_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    run(async {
        let listener = UnixListener::bind(&path).await.unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        assert!(format!("{listener:?}").contains("sock"));
        let (client, accepted) = join!(UnixStream::connect(&path), listener.accept());
        let (client, (server, from)) = (client.unwrap(), accepted.unwrap());
        assert!(from.is_unnamed() && from.as_pathname().is_none());
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
        client.write_all("there").await.0.unwrap();
        assert_eq!(server.read(Vec::with_capacity(9)).await.1, b"there");

        let mut peer = StdStream::connect(&path).unwrap();
        let served = listener.incoming().next().await.unwrap().unwrap();
        peer.write_all(b"std").unwrap();
        assert_eq!(served.read(Vec::with_capacity(9)).await.1, b"std");
        served.close().await.unwrap();
        assert_eq!(read_all(&mut peer), b"");

        assert_eq!(
            UnixListener::bind(&path).await.unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        listener.close().await.unwrap();
        assert!(path.exists());
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn paths_that_cannot_be_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let missing = dir.path().join("missing");
        let error = UnixStream::connect(&missing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let long = dir.path().join("x".repeat(120));
        let error = UnixListener::bind(&long).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = UnixStream::connect("a\0b").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_peer_that_is_bound_shows_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    run(async {
        let std = StdListener::bind(&there).unwrap();
        let ours = UnixListener::from_std(std).unwrap();
        let bound = UnixListener::bind(&here).await.unwrap();
        let (std, leftovers) = bound.into_std().await.unwrap();
        assert!(leftovers.is_empty());
        assert_eq!(std.local_addr().unwrap().as_pathname(), Some(&*here));
        let _client = StdStream::connect(&there).unwrap();
        assert_eq!(ours.accept().await.unwrap().1.to_string(), "(unnamed)");
    });
}

#[test]
fn a_pair_has_every_way_of_a_stream() {
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        assert!(a.local_addr().unwrap().is_unnamed() && a.peer_addr().unwrap().is_unnamed());
        a.writable().await.unwrap();
        assert_eq!(a.try_write(b"0123").unwrap(), 4);
        assert_eq!(a.writev(["45", "67"]).await.0.unwrap(), 4);
        assert_eq!(a.write("89").await.0.unwrap(), 2);
        b.readable().await.unwrap();
        assert_eq!(*b.peek(Box::new([0; 2])).await.1, *b"01");
        let mut buf = [0; 3];
        assert_eq!(b.try_read(&mut buf).unwrap(), 3);
        let (n, [one, two]) = b.readv([Box::new([0; 2]), Box::new([0; 2])]).await;
        assert_eq!((n.unwrap(), *one, *two), (4, *b"34", *b"56"));
        let (result, rest) = b.read_exact(Box::new([0; 3])).await;
        result.unwrap();
        assert_eq!(*rest, *b"789");
        assert!(a.take_error().unwrap().is_none());
        a.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(b.read(vec![0; 4]).await.0.unwrap(), 0);
        drop(b);
        assert_eq!(
            a.write("x").await.0.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

#[test]
fn nothing_is_lost_on_a_unix_stream_either() {
    run(async {
        let (ours, mut peer) = StdStream::pair().unwrap();
        let ours = UnixStream::from_std(ours).unwrap();
        let mut read = ours.read(Vec::with_capacity(8));
        pends(&mut read).await;
        laps(1).await;
        peer.write_all(b"left").unwrap();
        laps(3).await;
        drop(read);
        let mut exact = ours.read_exact(Box::new([0; 6]));
        assert!(for_turns(3, &mut exact).await.is_none());
        drop(exact);
        peer.write_all(b"over").unwrap();
        let (result, buf) = ours.read_exact(Box::new([0; 8])).await;
        result.unwrap();
        assert_eq!(*buf, *b"leftover");

        let (std, leftovers) = ours.into_std().await.unwrap();
        assert!(leftovers.is_empty());
        (&std).write_all(b"plain").unwrap();
        assert_eq!(read_some(&mut peer, 9), b"plain");
    });
}

#[test]
fn an_accept_that_was_dropped_keeps_the_connection_for_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    run(async {
        let listener = UnixListener::bind(&path).await.unwrap();
        let mut accept = listener.accept();
        pends(&mut accept).await;
        laps(1).await;
        let mut peer = StdStream::connect(&path).unwrap();
        laps(3).await;
        drop(accept);
        let (server, _) = listener.accept().await.unwrap();
        server.write_all("hello").await.0.unwrap();
        assert_eq!(read_some(&mut peer, 9), b"hello");
    });
}
