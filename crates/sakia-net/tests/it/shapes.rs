//! What the types promise: who may cross threads, what `Debug` shows, and what happens outside a runtime.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::catch_unwind;

use sakia_net::{
    Accept, Bind, Connect, OwnedReadHalf, OwnedWriteHalf, Read, ReadExact, RecvMsg, SendWithFds,
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket,
    UnixSeqpacketListener, UnixStream, WriteAll, pipe,
};

use crate::common::{laps, loopback, pair, run};

/// Compiles only if `T` is not `Send`: otherwise both implementations fit, and `A` cannot be inferred.
trait NotSend<A> {
    fn is_not_send() {}
}
impl<T: ?Sized> NotSend<()> for T {}
struct IsSend;
impl<T: ?Sized + Send> NotSend<IsSend> for T {}

fn is_unpin<T: Unpin>() {}

#[test]
fn handles_stay_on_their_thread_and_futures_need_no_pin() {
    <TcpListener as NotSend<_>>::is_not_send();
    <TcpStream as NotSend<_>>::is_not_send();
    <UnixListener as NotSend<_>>::is_not_send();
    <UnixStream as NotSend<_>>::is_not_send();
    <UdpSocket as NotSend<_>>::is_not_send();
    <UnixDatagram as NotSend<_>>::is_not_send();
    <UnixSeqpacket as NotSend<_>>::is_not_send();
    <UnixSeqpacketListener as NotSend<_>>::is_not_send();
    <pipe::Sender as NotSend<_>>::is_not_send();
    <pipe::Receiver as NotSend<_>>::is_not_send();
    <OwnedReadHalf as NotSend<_>>::is_not_send();
    <OwnedWriteHalf as NotSend<_>>::is_not_send();
    is_unpin::<Read<'static, Vec<u8>>>();
    is_unpin::<ReadExact<'static, Vec<u8>>>();
    is_unpin::<WriteAll<'static, Vec<u8>>>();
    is_unpin::<RecvMsg<'static, [Vec<u8>; 1]>>();
    is_unpin::<SendWithFds<'static, [Vec<u8>; 1]>>();
    is_unpin::<Accept<'static>>();
    is_unpin::<Connect>();
    is_unpin::<Bind<TcpListener>>();
}

#[test]
fn debug_shows_the_addresses() {
    run(async {
        let (ours, peer) = pair().await;
        let text = format!("{ours:?}");
        assert!(
            text.contains(&format!("local: {}", peer.peer_addr().unwrap())),
            "{text}"
        );
        assert!(
            text.contains(&format!("peer: {}", peer.local_addr().unwrap())),
            "{text}"
        );
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let text = format!("{listener:?}");
        assert!(
            text.contains(&listener.local_addr().unwrap().to_string()),
            "{text}"
        );
        assert!(!text.contains("peer"), "{text}");
    });
}

#[test]
fn futures_do_nothing_before_they_are_polled() {
    run(async {
        let (ours, mut peer) = pair().await;
        drop(ours.write_all("never"));
        let listener = std::net::TcpListener::bind(loopback()).unwrap();
        listener.set_nonblocking(true).unwrap();
        drop(TcpStream::connect(listener.local_addr().unwrap()));
        laps(3).await;
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(ours);
        assert_eq!(crate::common::read_all(&mut peer), b"");
    });
}

#[test]
fn outside_a_runtime_there_are_errors_and_from_panics_with_a_clear_word() {
    let std = std::net::TcpListener::bind(loopback()).unwrap();
    let error = TcpListener::from_std(std).unwrap_err();
    assert!(error.to_string().contains("runtime"), "{error}");
    let std = std::net::UdpSocket::bind(loopback()).unwrap();
    let panic = catch_unwind(|| UdpSocket::from(OwnedFd::from(std))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("only inside a sakia runtime"), "{text}");
    assert!(UnixStream::pair().is_err());

    use std::future::Future;
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut connect = std::pin::pin!(TcpStream::connect("127.0.0.1:1"));
    assert!(matches!(
        connect.as_mut().poll(&mut cx),
        std::task::Poll::Ready(Err(_))
    ));
}

#[test]
fn sockets_are_made_of_descriptors_and_show_theirs() {
    run(async {
        let std = std::net::UdpSocket::bind(loopback()).unwrap();
        let addr = std.local_addr().unwrap();
        let socket = UdpSocket::from(OwnedFd::from(std));
        assert_eq!(socket.local_addr().unwrap(), addr);
        let copy = std::net::UdpSocket::from(socket.as_fd().try_clone_to_owned().unwrap());
        assert_eq!(copy.local_addr().unwrap(), addr);
    });
}
