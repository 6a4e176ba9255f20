//! Acts on messages and pipes: records with descriptors in them, and ops that are asked to end and give a receipt.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use sakia::net::{TcpListener, UnixSeqpacket, pipe};
use sakia::prelude::*;

use crate::acts::World;
use crate::chance::Chance;
use crate::echo::numbered;
use crate::streams::write_numbered;

/// Records over a Unix socket, some with a descriptor: each comes once, whole, in order, with what was sent beside it. Those that nobody takes
/// are closed with the socket.
pub async fn records(chance: &Chance, world: &World) {
    let (a, b) = UnixSeqpacket::pair().expect("a pair can be made");
    let null: OwnedFd = std::fs::File::open("/dev/null")
        .expect("it is there")
        .into();
    let (mut sent, mut got) = (0u8, 0u8);
    for _ in 0..1 + chance.below(12) {
        let fds = (0..sent % 3).map(|_| null.try_clone().expect("there is room"));
        let record = vec![sent; 1 + usize::from(sent)];
        a.send_with_fds([record], fds.collect())
            .await
            .0
            .expect("the peer lives");
        sent += 1;
        while got < sent && !chance.one_in(3) {
            let record = [Vec::with_capacity(64)];
            if let Some((received, [bytes])) = chance.dare(b.recv_msg(record)).await {
                let received = received.expect("it was sent");
                assert_eq!(
                    bytes,
                    vec![got; 1 + usize::from(got)],
                    "a record is not whole"
                );
                assert_eq!(received.ancillary.fds.len(), usize::from(got % 3));
                assert!(!received.truncated && !received.ancillary.truncated);
                if chance.one_in(4) {
                    world.leave(chance, received.ancillary.fds);
                }
                got += 1;
            }
        }
    }
    world.leave(chance, (a, b));
}

/// Numbered bytes through a pipe. Reads end by themselves, by a cancel with its receipt, by a time limit, or are dropped.
pub async fn receipts(chance: &Chance, world: &World) {
    let (writer, reader) = pipe::pipe().expect("a pipe can be made");
    let total = 1 + chance.below(30_000);
    let task = sakia::spawn(write_numbered(writer, total));
    let mut got = 0;
    while got < total {
        let buf = Vec::with_capacity(1 + chance.below(3000));
        let bytes = match chance.below(4) {
            0 => {
                let mut read = reader.read(buf);
                let early = chance.glance(&mut read).await;
                match early {
                    Some((n, bytes)) => (n.expect("the writer lives"), bytes).1,
                    None => match read.cancel().await {
                        Receipt::Completed(n, bytes) => (n.expect("the writer lives"), bytes).1,
                        Receipt::Cancelled(_) => Vec::new(),
                    },
                }
            }
            1 => {
                let size = buf.capacity();
                let exact = reader.read_exact(buf.slice(..size));
                match exact.cancel().await {
                    Receipt::Completed(n, bytes) => {
                        let mut bytes = bytes.into_inner();
                        bytes.truncate(n.expect("the writer lives"));
                        bytes
                    }
                    Receipt::Cancelled(_) => Vec::new(),
                }
            }
            2 => match reader.read(buf).timeout(chance.micros(500)).await {
                (Ok(_), bytes) => bytes,
                (Err(error), _) => {
                    assert_eq!(error.kind(), ErrorKind::TimedOut);
                    Vec::new()
                }
            },
            _ => match chance.dare(reader.read(buf)).await {
                Some((n, bytes)) => (n.expect("the writer lives"), bytes).1,
                None => Vec::new(),
            },
        };
        let fine = bytes
            .iter()
            .enumerate()
            .all(|(i, b)| *b == numbered(got + i));
        assert!(fine, "the pipe is out of order at {got}");
        got += bytes.len();
    }
    task.await.expect("it has written all");
    assert_eq!(reader.read(vec![0; 1]).await.0.ok(), Some(0), "the end");
    world.leave(chance, reader);
}

/// An accept that is asked to end while a client comes: the client is in the receipt, or the next accept has it.
pub async fn cancelled_accept(chance: &Chance, world: &World) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let to = listener.local_addr().expect("it is bound");
    let mut accept = listener.accept();
    let early = chance.glance(&mut accept).await;
    assert!(early.is_none(), "nobody has come");
    let client = std::net::TcpStream::connect(to).expect("it listens");
    let accepted = match accept.cancel().await {
        Receipt::Completed(accepted, ()) => accepted,
        Receipt::Cancelled(()) => listener.accept().await,
    };
    let (stream, peer) = accepted.expect("a client waits");
    assert_eq!(Some(peer), client.local_addr().ok());
    world.leave(chance, (stream, listener));
}
