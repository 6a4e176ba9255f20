//! Options: what is set is what std reads on the same socket.

use std::time::Duration;

use sakia_net::{TcpKeepalive, TcpListener, TcpSocket, TcpStream, UdpSocket};

use crate::common::{loopback, pair, run};

#[test]
fn the_options_of_a_stream_are_those_that_std_sees() {
    run(async {
        let (ours, _peer) = pair().await;
        ours.set_nodelay(true).unwrap();
        assert!(ours.nodelay().unwrap());
        ours.set_ttl(33).unwrap();
        assert_eq!(ours.ttl().unwrap(), 33);
        assert!(ours.take_error().unwrap().is_none());
        let (std, _) = ours.into_std().await.unwrap();
        assert!(std.nodelay().unwrap());
        assert_eq!(std.ttl().unwrap(), 33);
        std.set_nodelay(false).unwrap();
        assert!(!TcpStream::from_std(std).unwrap().nodelay().unwrap());
    });
}

#[test]
fn what_a_listener_accepts_sends_at_once_if_its_socket_was_told_to() {
    run(async {
        for on in [false, true] {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_nodelay(on).unwrap();
            socket.bind(loopback()).unwrap();
            let listener = socket.listen(8).unwrap();
            let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (ours, _) = listener.accept().await.unwrap();
            assert_eq!(ours.nodelay().unwrap(), on);
            drop(peer);
        }
    });
}

#[test]
fn keepalive_is_switched_and_its_times_are_checked_by_the_kernel() {
    run(async {
        let (ours, _peer) = pair().await;
        assert!(!ours.keepalive().unwrap());
        ours.set_keepalive(true).unwrap();
        assert!(ours.keepalive().unwrap());
        ours.set_keepalive(false).unwrap();
        assert!(!ours.keepalive().unwrap());
        let times = TcpKeepalive::new()
            .with_time(Duration::from_millis(1500))
            .with_interval(Duration::from_secs(3))
            .with_retries(4);
        ours.set_tcp_keepalive(&times).unwrap();
        assert!(ours.keepalive().unwrap());
        let fd = std::os::fd::AsFd::as_fd(&ours)
            .try_clone_to_owned()
            .unwrap();
        let seen = sakia_driver::Fd::new(fd, sakia_driver::Kind::TcpStream).unwrap();
        let option = |name| seen.option(libc::IPPROTO_TCP, name).unwrap();
        assert_eq!(option(libc::TCP_KEEPIDLE), 2, "rounded up");
        assert_eq!(option(libc::TCP_KEEPINTVL), 3);
        assert_eq!(option(libc::TCP_KEEPCNT), 4);
        let none = TcpKeepalive::new().with_time(Duration::ZERO);
        let error = ours.set_tcp_keepalive(&none).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    });
}

#[test]
fn linger_is_told_in_seconds_and_rounded_up() {
    run(async {
        let (ours, _peer) = pair().await;
        assert_eq!(ours.linger().unwrap(), None);
        ours.set_linger(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(ours.linger().unwrap(), Some(Duration::from_secs(1)));
        ours.set_linger(Some(Duration::ZERO)).unwrap();
        assert_eq!(ours.linger().unwrap(), Some(Duration::ZERO));
        ours.set_linger(None).unwrap();
        assert_eq!(ours.linger().unwrap(), None);
    });
}

#[test]
fn buffer_sizes_are_taken() {
    run(async {
        let (ours, _peer) = pair().await;
        ours.set_recv_buffer_size(20_000).unwrap();
        assert_eq!(
            ours.recv_buffer_size().unwrap(),
            40_000,
            "the kernel doubles it"
        );
        ours.set_send_buffer_size(30_000).unwrap();
        assert_eq!(
            ours.send_buffer_size().unwrap(),
            60_000,
            "the kernel doubles it"
        );
    });
}

#[test]
fn the_time_to_live_is_the_hop_limit_on_ipv6() {
    run(async {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        listener.set_ttl(21).unwrap();
        assert_eq!(listener.ttl().unwrap(), 21);
        let socket = UdpSocket::bind("[::1]:0").await.unwrap();
        socket.set_ttl(22).unwrap();
        let (std, _) = socket.into_std().await.unwrap();
        assert_eq!(std.ttl().unwrap(), 22);
        let seen = sakia_driver::Fd::new(std.into(), sakia_driver::Kind::UdpSocket).unwrap();
        assert_eq!(
            seen.option(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS)
                .unwrap(),
            22
        );
    });
}

#[test]
fn the_options_of_a_datagram_socket_are_those_that_std_sees() {
    run(async {
        let socket = UdpSocket::bind(loopback()).await.unwrap();
        assert!(!socket.broadcast().unwrap());
        socket.set_broadcast(true).unwrap();
        socket.set_ttl(34).unwrap();
        assert!(socket.take_error().unwrap().is_none());
        let (std, _) = socket.into_std().await.unwrap();
        assert!(std.broadcast().unwrap());
        assert_eq!(std.ttl().unwrap(), 34);
    });
}
