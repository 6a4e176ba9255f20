//! Unix datagrams and records, names in the abstract namespace, and descriptors, against std's sockets.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{
    SocketAddr as StdAddr, UnixDatagram as StdDatagram, UnixListener as StdListener,
    UnixStream as StdStream,
};

use futures_util::join;
use sakia_buf::IoBuf;
use sakia_net::{
    Receipt, UnixAddr, UnixDatagram, UnixListener, UnixSeqpacket, UnixSeqpacketListener, UnixStream,
};

use crate::common::{laps, pends, read_some, run};

/// A name that no other test and no other process has.
fn name(test: &str) -> Vec<u8> {
    // Any byte may stand in it.
    format!("sakia\0{test}\n{}", std::process::id()).into_bytes()
}

#[test]
fn abstract_names_are_told_as_such_by_every_kind_of_unix_socket() {
    run(async {
        let name = name("names");
        let addr = UnixAddr::from_abstract_name(&name).unwrap();
        assert_eq!(addr.as_abstract_name(), Some(&name[..]));
        assert!(!addr.is_unnamed() && addr.as_pathname().is_none());
        assert!(
            addr.to_string().starts_with("@sakia\\x00names\\n"),
            "{addr}"
        );
        let std = StdAddr::from_abstract_name(&name).unwrap();

        let listener = UnixListener::bind_addr(&addr).await.unwrap();
        assert_eq!(
            UnixListener::bind_addr(&addr).await.unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        let client = StdStream::connect_addr(&std).unwrap();
        assert_eq!(
            client.peer_addr().unwrap().as_abstract_name(),
            Some(&name[..])
        );
        let (server, from) = listener.accept().await.unwrap();
        assert!(from.is_unnamed());
        assert_eq!(
            server.local_addr().unwrap().as_abstract_name(),
            Some(&name[..])
        );
        drop(listener);

        let listener = StdListener::bind_addr(&std).unwrap();
        let client = UnixStream::connect_addr(&addr).await.unwrap();
        let (_served, _) = listener.accept().unwrap();
        assert_eq!(
            client.peer_addr().unwrap().as_abstract_name(),
            Some(&name[..])
        );

        let (there, here) = (self::name("there"), self::name("here"));
        let socket = UnixDatagram::bind_addr(&UnixAddr::from_abstract_name(&here).unwrap());
        let socket = socket.await.unwrap();
        let peer = StdDatagram::bind_addr(&StdAddr::from_abstract_name(&there).unwrap()).unwrap();
        let to = StdAddr::from_abstract_name(&here).unwrap();
        peer.send_to_addr(b"hello", &to).unwrap();
        let (_, from) = socket.recv_from(Vec::with_capacity(8)).await.0.unwrap();
        assert_eq!(from.as_abstract_name(), Some(&there[..]));
        socket.send_to_addr("back", &from).await.0.unwrap();
        let mut buf = [0; 8];
        let (n, from) = peer.recv_from(&mut buf).unwrap();
        assert_eq!(
            (&buf[..n], from.as_abstract_name()),
            (&b"back"[..], Some(&here[..]))
        );

        let records = UnixSeqpacketListener::bind_addr(&addr).await.unwrap();
        let (client, accepted) = join!(UnixSeqpacket::connect_addr(&addr), records.accept());
        assert_eq!(
            client.unwrap().peer_addr().unwrap().as_abstract_name(),
            Some(&name[..])
        );
        assert!(accepted.unwrap().1.is_unnamed());
    });
}

#[test]
fn datagrams_go_both_ways_between_paths_and_bad_paths_give_the_buffer_back() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    run(async {
        let ours = UnixDatagram::bind(&here).await.unwrap();
        let peer = StdDatagram::bind(&there).unwrap();
        assert_eq!(ours.send_to("out", &there).await.0.unwrap(), 3);
        let mut buf = [0; 8];
        let (n, from) = peer.recv_from(&mut buf).unwrap();
        assert_eq!((&buf[..n], from.as_pathname()), (&b"out"[..], Some(&*here)));
        peer.send_to(b"in", &here).unwrap();
        let (received, buf) = ours.recv_from(Vec::with_capacity(8)).await;
        let (n, from) = received.unwrap();
        assert_eq!((&buf[..n], from.as_pathname()), (&b"in"[..], Some(&*there)));

        let (error, buf) = ours.send_to(vec![7], "a\0b").await;
        assert_eq!(
            (error.unwrap_err().kind(), buf),
            (ErrorKind::InvalidInput, vec![7])
        );
        let error = ours.send_to("x", dir.path().join("missing")).await.0;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(
            ours.send("x").await.0.unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        let error = ours.connect("a\0b").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);

        ours.connect(&there).await.unwrap();
        assert_eq!(ours.peer_addr().unwrap().as_pathname(), Some(&*there));
        ours.send("connected").await.0.unwrap();
        let stranger = UnixDatagram::unbound().unwrap();
        let refused = stranger.send_to("spam", &here).await.0.unwrap_err();
        assert_eq!(
            refused.raw_os_error(),
            Some(libc::EPERM),
            "its peer alone is heard"
        );
        drop(peer);
        assert_eq!(
            ours.send("x").await.0.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
        ours.close().await.unwrap();
        assert!(here.exists(), "the path stays");
    });
}

#[test]
fn records_keep_their_boundaries_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    run(async {
        let listener = UnixSeqpacketListener::bind(&path).await.unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(
            error.raw_os_error(),
            Some(libc::EPROTOTYPE),
            "a stream is none"
        );
        let (client, accepted) = join!(UnixSeqpacket::connect(&path), listener.accept());
        let (client, (server, _)) = (client.unwrap(), accepted.unwrap());
        for record in ["one", "two", "three"] {
            assert_eq!(client.send(record).await.0.unwrap(), record.len());
        }
        assert_eq!(server.recv(Vec::with_capacity(64)).await.1, b"one");
        let (received, [buf]) = server.recv_msg([Vec::with_capacity(2).slice(..2)]).await;
        assert!(received.unwrap().truncated);
        assert_eq!(&buf[..], b"tw");
        assert_eq!(server.recv(Vec::with_capacity(64)).await.1, b"three");
        assert_eq!(
            server.peer_cred().unwrap().pid.cast_unsigned(),
            std::process::id()
        );

        let mut last = server.recv(Vec::with_capacity(64));
        pends(&mut last).await;
        laps(1).await;
        drop(client);
        laps(3).await;
        drop(last);
        let (_fd, leftovers) = server.into_parts().await.unwrap();
        assert!(leftovers.ended && leftovers.messages.is_empty());
    });
}

#[test]
fn a_dropped_accept_of_records_leaves_its_connection_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    run(async {
        let listener = UnixSeqpacketListener::bind(&path).await.unwrap();
        let mut accept = listener.accept();
        pends(&mut accept).await;
        laps(1).await;
        let client = UnixSeqpacket::connect(&path).await.unwrap();
        laps(3).await;
        drop(accept);
        let (server, _) = listener.accept().await.unwrap();
        client.send("hello").await.0.unwrap();
        assert_eq!(server.recv(Vec::with_capacity(8)).await.1, b"hello");
    });
}

/// The descriptor of a file with this text.
fn file(text: &str) -> OwnedFd {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file.into()
}

#[test]
fn descriptors_arrive_in_order_with_the_byte_that_they_were_sent_with() {
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        a.write_all("before").await.0.unwrap();
        let fds = vec![file("first"), file("second")];
        let (sent, (bufs, fds)) = a.send_with_fds(["wi", "th"], fds).await;
        assert_eq!((sent.unwrap(), bufs, fds.len()), (4, ["wi", "th"], 2));
        drop(fds);
        a.write_all("after").await.0.unwrap();

        let mut seen = Vec::new();
        while seen.len() < 15 {
            let (received, [buf]) = b.recv_msg([Vec::with_capacity(64)]).await;
            let at = seen.len();
            seen.extend_from_slice(&buf);
            for (i, fd) in received.unwrap().ancillary.fds.into_iter().enumerate() {
                assert!(
                    at <= 6 && seen.len() >= 10,
                    "they came with the bytes {at}..{}",
                    seen.len()
                );
                let text = read_some(&mut std::fs::File::from(fd), 16);
                assert_eq!(text, ["first", "second"][i].as_bytes());
            }
        }
        assert_eq!(seen, b"beforewithafter");

        let none = a.send_with_fds([""], vec![file("x")]).await.0.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::InvalidInput, "no byte to go with");
        let many = (0..254)
            .map(|_| a.as_fd().try_clone_to_owned().unwrap())
            .collect();
        let (many, (_, back)) = a.send_with_fds(["x"], many).await;
        assert_eq!(
            (many.unwrap_err().kind(), back.len()),
            (ErrorKind::InvalidInput, 254)
        );
    });
}

#[test]
fn a_record_of_more_parts_than_the_kernel_takes_is_refused_and_a_stream_takes_their_beginning() {
    run(async {
        let parts = vec!["x"; 1025];
        let (a, b) = UnixDatagram::pair().unwrap();
        let (c, d) = UnixSeqpacket::pair().unwrap();
        let (e, f) = UnixStream::pair().unwrap();
        let refused = [
            a.send_with_fds(parts.clone(), Vec::new()).await.0,
            c.send_with_fds(parts.clone(), Vec::new()).await.0,
        ];
        for refused in refused {
            let error = refused.expect_err("a part of it would be another message");
            assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        }
        // Nothing of them was sent: what comes first is what was sent next.
        a.send("next").await.0.unwrap();
        assert_eq!(b.recv(Vec::with_capacity(2048)).await.1, b"next");
        c.send("next").await.0.unwrap();
        assert_eq!(d.recv(Vec::with_capacity(2048)).await.1, b"next");
        let (sent, _) = e.send_with_fds(parts, Vec::new()).await;
        assert_eq!(sent.unwrap(), 1024);
        assert_eq!(f.read(Vec::with_capacity(2048)).await.1.len(), 1024);
    });
}

#[test]
fn a_cancelled_send_gives_its_descriptors_back_and_a_cancelled_receive_its_buffers() {
    run(async {
        let (a, b) = UnixSeqpacket::pair().unwrap();
        let mut recv = b.recv_msg([Vec::with_capacity(8)]);
        pends(&mut recv).await;
        laps(1).await;
        match recv.cancel().await {
            Receipt::Cancelled([buf]) => assert_eq!(buf.capacity(), 8),
            other => panic!("nothing was sent: {other:?}"),
        }
        while a.try_send(b"full").is_ok() {}
        let mut send = a.send_with_fds(["late"], vec![file("x")]);
        pends(&mut send).await;
        laps(1).await;
        match send.cancel().await {
            Receipt::Cancelled(([text], fds)) => assert_eq!((text, fds.len()), ("late", 1)),
            other => panic!("it could not be sent: {other:?}"),
        }
    });
}
