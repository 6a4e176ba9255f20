//! From a name to a connection: every address is tried, errors name theirs, and a dropped attempt leaves nothing.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr, TcpListener as StdListener};

use sakia_driver::Kind;
use sakia_net::{TcpListener, TcpSocket, TcpStream, UdpSocket, lookup_host};

use crate::common::{laps, loopback, own_loopback, pends, run, run_to_report};

/// An address at which nobody listens.
fn refused() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

#[test]
fn connect_goes_on_to_the_next_address_when_one_refuses() {
    run(async {
        let listener = StdListener::bind(loopback()).unwrap();
        let good = listener.local_addr().unwrap();
        let nowhere = SocketAddr::from((Ipv6Addr::LOCALHOST, 1));
        let stream = TcpStream::connect(&[refused(), nowhere, good][..])
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    });
}

#[test]
fn the_error_of_the_last_address_names_it_and_keeps_kind_and_errno() {
    run(async {
        let last = SocketAddr::from((Ipv6Addr::LOCALHOST, 1));
        let error = TcpStream::connect([refused(), last]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(
            error.to_string().starts_with("cannot connect to [::1]:1: "),
            "{error}"
        );
        let source = error.get_ref().and_then(|error| error.source()).unwrap();
        let source = source.downcast_ref::<std::io::Error>().unwrap();
        assert_eq!(source.raw_os_error(), Some(libc::ECONNREFUSED));

        let error = TcpStream::connect(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = TcpStream::connect("no-port").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn bind_goes_on_to_the_next_address_and_its_error_names_the_last() {
    run(async {
        let taken = TcpListener::bind(loopback()).await.unwrap();
        let addr = taken.local_addr().unwrap();
        let error = TcpListener::bind(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
        let listener = TcpListener::bind([addr, loopback()]).await.unwrap();
        assert_ne!(listener.local_addr().unwrap(), addr);

        let taken = UdpSocket::bind(loopback()).await.unwrap();
        let error = UdpSocket::bind(taken.local_addr().unwrap())
            .await
            .unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::AddrInUse,
            "no SO_REUSEADDR on datagrams"
        );
    });
}

#[test]
fn a_listener_binds_though_old_connections_of_its_port_are_in_time_wait() {
    run(async {
        let listener = TcpListener::bind(own_loopback()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut peer = std::net::TcpStream::connect(addr).unwrap();
        // The end that closes first is the one that waits.
        drop(listener.accept().await.unwrap());
        assert_eq!(crate::common::read_all(&mut peer), b"");
        drop(peer);
        drop(listener);
        TcpListener::bind(addr).await.unwrap();
    });
}

#[test]
fn names_are_resolved_off_the_thread() {
    run(async {
        let mut lookup = lookup_host("localhost:80");
        pends(&mut lookup).await;
        let addrs: Vec<_> = lookup.await.unwrap().collect();
        assert!(!addrs.is_empty());
        assert!(
            addrs
                .iter()
                .all(|addr| addr.ip().is_loopback() && addr.port() == 80),
            "{addrs:?}"
        );

        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = TcpStream::connect(("localhost", port)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), port);
    });
}

#[test]
fn a_lookup_that_is_dropped_is_forgotten() {
    run(async {
        let mut connect = TcpStream::connect("localhost:1");
        pends(&mut connect).await;
        drop(connect);
        laps(2).await;
    });
}

#[test]
fn a_connect_that_is_dropped_in_flight_closes_its_socket() {
    let ((), report) = run_to_report(async {
        // A backlog of one that is full does not answer.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(loopback()).unwrap();
        let listener = socket.listen(0).unwrap();
        let addr = listener.local_addr().unwrap();
        let _waiting = TcpStream::connect(addr).await.unwrap();
        let mut attempts: Vec<_> = (0..4).map(|_| TcpStream::connect(addr)).collect();
        for attempt in &mut attempts {
            let _ = crate::common::poll_once(attempt).await;
        }
        laps(2).await;
        pends(attempts.last_mut().unwrap()).await;
        drop(attempts);
    });
    assert!(report.still_held.is_empty(), "{report:?}");
    assert!(report.ops_cancelled > 0, "{report:?}");
    assert!(report.closed.contains(&(Kind::Socket, 4)), "{report:?}");
}

#[test]
fn a_tcp_socket_listens_and_connects_with_the_options_that_were_set() {
    run(async {
        let listen = |addr| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseport(true).unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(addr).unwrap();
            socket.listen(16).unwrap()
        };
        let first = listen(loopback());
        let addr = first.local_addr().unwrap();
        let second = listen(addr);
        assert_eq!(second.local_addr().unwrap(), addr);
        drop(second);

        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(loopback()).unwrap();
        let from = socket.local_addr().unwrap();
        let stream = socket.connect(addr).await.unwrap();
        assert_eq!(stream.local_addr().unwrap(), from);
        assert_eq!(first.accept().await.unwrap().1, from);

        let only_v6 = TcpSocket::new_v6().unwrap();
        only_v6.set_only_v6(true).unwrap();
        only_v6.bind("[::]:0".parse().unwrap()).unwrap();
        let port = only_v6.local_addr().unwrap().port();
        let error = TcpSocket::new_v4().unwrap().bind(addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        StdListener::bind(("0.0.0.0", port)).expect("IPv4 is not taken");
    });
}
