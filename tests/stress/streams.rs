//! Acts on sockets: streams of numbered bytes, listeners, datagrams; whatever is given up, nothing may be lost, doubled or out of order.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use sakia::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use sakia::prelude::*;

use crate::acts::World;
use crate::chance::Chance;
use crate::echo::{EXACT, ORDER, numbered};

/// Writes numbered bytes to a peer that sends them back; every read may be given up.
pub async fn echo(chance: &Chance, world: &World) {
    let Some(Ok(stream)) = chance
        .dare(TcpStream::connect(("127.0.0.1", world.echo)))
        .await
    else {
        return;
    };
    stream
        .write_all(vec![EXACT])
        .await
        .0
        .expect("the peer reads");
    let (mut sent, mut got) = (0, 0);
    for _ in 0..chance.below(6) {
        let chunk: Vec<u8> = (sent..sent + 1 + chance.below(9000))
            .map(numbered)
            .collect();
        sent += chunk.len();
        stream.write_all(chunk).await.0.expect("the peer reads");
        for _ in 0..chance.below(12) {
            if got < sent {
                got += one_read(chance, &stream, got, sent - got).await;
            }
        }
    }
    if chance.one_in(2) {
        // What was given up is still there, and then the end.
        stream
            .shutdown(std::net::Shutdown::Write)
            .expect("it is connected");
        let (result, rest) = stream.read_to_end(Vec::new()).await;
        result.expect("the peer sends all back");
        check(&rest, got);
        assert_eq!(got + rest.len(), sent, "bytes were lost");
    }
    world.leave(chance, stream);
}

/// Reads in one of the ways; answers how many bytes came.
async fn one_read(chance: &Chance, stream: &TcpStream, got: usize, most: usize) -> usize {
    let size = 1 + chance.below(most.min(4000));
    let read = match chance.below(5) {
        0 => match chance
            .dare(stream.read_exact(vec![0; size].slice(..size)))
            .await
        {
            Some((result, buf)) => {
                result.expect("the peer sends all back");
                buf.into_inner()
            }
            None => Vec::new(),
        },
        1 => match chance.dare(stream.readv([vec![0; 1], vec![0; size]])).await {
            Some((n, [head, rest])) => {
                let mut both = [head, rest].concat();
                both.truncate(n.expect("the peer lives"));
                both
            }
            None => Vec::new(),
        },
        2 => {
            let mut buf = vec![0; size];
            let n = match stream.try_read(&mut buf) {
                Ok(n) => n,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    0
                }
            };
            buf.truncate(n);
            buf
        }
        3 => {
            let _ = chance.dare(stream.readable()).await;
            if let Some((n, peeked)) = chance.dare(stream.peek(Vec::with_capacity(size))).await {
                n.expect("the peer lives");
                check(&peeked, got);
            }
            Vec::new()
        }
        _ => match chance.dare(stream.read(Vec::with_capacity(size))).await {
            Some((n, buf)) => {
                n.expect("the peer lives");
                buf
            }
            None => Vec::new(),
        },
    };
    check(&read, got);
    read.len()
}

fn check(bytes: &[u8], from: usize) {
    let fine = bytes
        .iter()
        .enumerate()
        .all(|(i, b)| *b == numbered(from + i));
    assert!(fine, "the stream is out of order at {from}");
}

/// Writes blocks of equal bytes, some of which are given up: the peer sees that their order stays.
pub async fn blocks(chance: &Chance, world: &World) {
    let Some(Ok(stream)) = chance
        .dare(TcpStream::connect(("127.0.0.1", world.echo)))
        .await
    else {
        return;
    };
    stream
        .write_all(vec![ORDER])
        .await
        .0
        .expect("the peer reads");
    for block in 0..chance.below(20) as u8 {
        let bytes = vec![block; 1 + chance.below(200_000)];
        let _ = match chance.below(2) {
            0 => chance.dare(stream.write(bytes)).await.map(drop),
            _ => chance.dare(stream.write_all(bytes)).await.map(drop),
        };
    }
    if chance.one_in(3) {
        let (_read, write) = stream.into_split();
        world.leave(chance, write);
    } else {
        world.leave(chance, stream);
    }
}

/// Serves clients of std; every accept may be given up, and every client must be served.
pub async fn accepts(chance: &Chance, world: &World) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let to = listener.local_addr().expect("it is bound");
    let count = 1 + chance.below(12);
    let mut clients = Vec::new();
    for id in 0..count {
        let mut client = std::net::TcpStream::connect(to).expect("the backlog has room");
        client.write_all(&[id as u8]).expect("it is connected");
        clients.push(client);
    }
    let mut served = Vec::new();
    while served.len() < count {
        if let Some(accepted) = chance.dare(listener.accept()).await {
            served.push(accepted.expect("a client waits").0);
        }
        if chance.one_in(40) {
            break;
        }
    }
    let whole = served.len() == count;
    let mut ids = Vec::new();
    for stream in served {
        let (n, id) = stream.read(Vec::with_capacity(1)).await;
        assert_eq!(n.expect("the client wrote"), 1);
        ids.push(usize::from(id[0]));
        if chance.one_in(4) {
            world.leave(chance, stream);
            clients.retain(|client| client.peer_addr().is_err());
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert!(!whole || ids.len() == count, "a client was served twice");
    drop(listener);
    for mut client in clients {
        // Its stream, or the listener that had it in the backlog, is gone: it must have been told.
        let timeout = Some(Duration::from_secs(5));
        client.set_read_timeout(timeout).expect("it is a socket");
        if let Err(error) = client.read(&mut [0]) {
            assert_ne!(
                error.kind(),
                ErrorKind::WouldBlock,
                "a client was not told the end"
            );
        }
    }
}

/// Writes numbered bytes, up to the total or until the reader was given up with the task that had it.
pub async fn write_numbered(mut writer: impl AsyncWrite, total: usize) {
    let mut sent = 0;
    while sent < total {
        let chunk: Vec<u8> = (sent..total.min(sent + 3000)).map(numbered).collect();
        sent += chunk.len();
        if let Err(error) = AsyncWriteExt::write_all(&mut writer, chunk).await.0 {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            return;
        }
    }
}

/// A pair: one task writes numbered bytes, the other reads; half way the stream may go to std and back.
pub async fn unix_pair(chance: &Chance, world: &World) {
    let (writer, mut reader) = UnixStream::pair().expect("a pair can be made");
    let total = 1 + chance.below(60_000);
    let task = sakia::spawn(write_numbered(writer, total));
    let mut got = 0;
    while got < total {
        let read = chance
            .dare(reader.read(Vec::with_capacity(1 + chance.below(4000))))
            .await;
        if let Some((n, bytes)) = read {
            n.expect("the writer lives");
            check(&bytes, got);
            got += bytes.len();
        }
        if chance.one_in(30) {
            let (std, leftovers) = reader.into_std().await.expect("nobody else has it");
            check(&leftovers.bytes, got);
            got += leftovers.bytes.len();
            reader = UnixStream::from_std(std).expect("the runtime runs");
        }
        if chance.one_in(60) {
            task.abort();
            return;
        }
    }
    assert_eq!(got, total);
    task.await.expect("it has written all");
    assert_eq!(reader.read(vec![0; 1]).await.0.ok(), Some(0), "the end");
    world.leave(chance, reader);
}

/// Datagrams over loopback, as few as its buffer holds: each comes once, whole, in order.
pub async fn datagrams(chance: &Chance) {
    let a = UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let b = UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let to = b.local_addr().expect("it is bound");
    let (mut sent, mut got) = (0u8, 0u8);
    for _ in 0..1 + chance.below(20) {
        a.send_to(vec![sent; 1 + usize::from(sent)], to)
            .await
            .0
            .expect("it can be sent");
        sent += 1;
        while got < sent && !chance.one_in(3) {
            if let Some((from, bytes)) = chance.dare(b.recv_from(Vec::with_capacity(64))).await {
                from.expect("it was sent");
                assert_eq!(
                    bytes,
                    vec![got; 1 + usize::from(got)],
                    "a datagram is not whole"
                );
                got += 1;
            }
        }
    }
    while got < sent {
        let (from, bytes) = b.recv_from(Vec::with_capacity(64)).await;
        from.expect("it was sent");
        assert_eq!(bytes, vec![got; 1 + usize::from(got)], "a datagram is lost");
        got += 1;
    }
}
