//! Datagrams: whole, with their senders, and not lost when a future is dropped.

use std::io::ErrorKind;
use std::net::UdpSocket as StdSocket;

use sakia_buf::IoBuf;
use sakia_net::UdpSocket;

use crate::common::{laps, loopback, pends, run};

async fn ours() -> UdpSocket {
    UdpSocket::bind(loopback()).await.unwrap()
}

fn peer() -> StdSocket {
    StdSocket::bind(loopback()).unwrap()
}

#[test]
fn datagrams_go_both_ways_on_both_families() {
    run(async {
        for addr in ["127.0.0.1:0", "[::1]:0"] {
            let (ours, peer) = (
                UdpSocket::bind(addr).await.unwrap(),
                StdSocket::bind(addr).unwrap(),
            );
            let at = (ours.local_addr().unwrap(), peer.local_addr().unwrap());
            assert_eq!(ours.send_to("there", at.1).await.0.unwrap(), 5);
            let mut buf = [0; 9];
            assert_eq!(peer.recv_from(&mut buf).unwrap(), (5, at.0));
            peer.send_to(b"back", at.0).unwrap();
            let (received, buf) = ours.recv_from(Vec::with_capacity(9)).await;
            assert_eq!((received.unwrap(), &buf[..]), ((4, at.1), &b"back"[..]));
        }
    });
}

#[test]
fn a_connected_socket_talks_to_its_peer_alone() {
    run(async {
        let (ours, peer, stranger) = (ours().await, peer(), peer());
        let addr = ours.local_addr().unwrap();
        assert_eq!(
            ours.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        ours.connect(peer.local_addr().unwrap()).await.unwrap();
        assert_eq!(ours.peer_addr().unwrap(), peer.local_addr().unwrap());
        ours.send("hello").await.0.unwrap();
        let mut buf = [0; 9];
        assert_eq!(peer.recv_from(&mut buf).unwrap(), (5, addr));
        stranger.send_to(b"spam", addr).unwrap();
        peer.send_to(b"ham", addr).unwrap();
        assert_eq!(ours.recv(Vec::with_capacity(9)).await.1, b"ham");

        drop(peer);
        let refused = loop {
            ours.send("anybody?").await.0.ok();
            if let Err(error) = ours.send("anybody?").await.0 {
                break error;
            }
        };
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn peeked_datagrams_stay_long_ones_are_cut_and_empty_ones_are_datagrams() {
    run(async {
        let (ours, peer) = (ours().await, peer());
        let (addr, from) = (ours.local_addr().unwrap(), peer.local_addr().unwrap());
        peer.send_to(b"0123456789", addr).unwrap();
        peer.send_to(b"", addr).unwrap();
        peer.send_to(b"next", addr).unwrap();
        assert_eq!(ours.peek(Vec::with_capacity(16)).await.1, b"0123456789");
        assert_eq!(
            ours.peek_from(Vec::with_capacity(16)).await.0.unwrap(),
            (10, from)
        );
        let (received, buf) = ours.recv_from(Vec::with_capacity(4).slice(..4)).await;
        assert_eq!((received.unwrap(), &buf[..]), ((4, from), &b"0123"[..]));
        assert_eq!(
            ours.recv_from(Vec::with_capacity(4)).await.0.unwrap(),
            (0, from)
        );
        assert_eq!(ours.recv(Vec::with_capacity(4)).await.1, b"next");
    });
}

/// Leaves a datagram with the socket, as a `recv_from` does that has ended and is dropped before it is polled again.
async fn leave(ours: &UdpSocket, peer: &StdSocket, text: &[u8]) {
    let mut recv = ours.recv_from(Vec::with_capacity(64));
    pends(&mut recv).await;
    laps(1).await;
    peer.send_to(text, ours.local_addr().unwrap()).unwrap();
    laps(3).await;
    drop(recv);
}

#[test]
fn a_datagram_that_came_for_a_dropped_call_is_given_to_the_next_with_its_sender() {
    run(async {
        let (ours, peer) = (ours().await, peer());
        let from = peer.local_addr().unwrap();
        leave(&ours, &peer, b"first").await;
        peer.send_to(b"second", ours.local_addr().unwrap()).unwrap();
        assert_eq!(ours.peek(Vec::with_capacity(9)).await.1, b"first");
        let (received, buf) = ours.recv_from(Vec::with_capacity(3).slice(..3)).await;
        assert_eq!(
            (received.unwrap(), &buf[..]),
            ((3, from), &b"fir"[..]),
            "cut, as the kernel cuts"
        );
        assert_eq!(ours.recv(Vec::with_capacity(9)).await.1, b"second");
    });
}

#[test]
fn into_std_gives_the_datagrams_that_nobody_took() {
    run(async {
        let (ours, peer) = (ours().await, peer());
        leave(&ours, &peer, b"left").await;
        peer.send_to(b"later", ours.local_addr().unwrap()).unwrap();
        let (std, leftovers) = ours.into_std().await.unwrap();
        let [left] = <[_; 1]>::try_from(leftovers.messages).expect("one was left");
        assert_eq!(
            (&left.data[..], left.from.as_ip()),
            (&b"left"[..], peer.local_addr().ok())
        );
        let mut buf = [0; 9];
        assert_eq!(std.recv(&mut buf).unwrap(), 5);
        let back = UdpSocket::from_std(std).unwrap();
        back.close().await.unwrap();
    });
}
