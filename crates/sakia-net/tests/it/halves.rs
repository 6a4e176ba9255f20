//! The halves of a stream: what they share, and what the peer is told when the writer goes.

use std::io::{ErrorKind, Read, Write};

use futures_util::join;
use sakia_net::{TcpStream, UnixStream};

use crate::common::{laps, pair, pends, read_all, read_some, run, sleep};

#[test]
fn the_halves_read_and_write_at_the_same_time() {
    run(async {
        let (ours, peer) = pair().await;
        let addrs = (ours.local_addr().unwrap(), ours.peer_addr().unwrap());
        let (read, write) = ours.into_split();
        assert_eq!(
            (read.local_addr().unwrap(), read.peer_addr().unwrap()),
            addrs
        );
        assert_eq!(
            (write.local_addr().unwrap(), write.peer_addr().unwrap()),
            addrs
        );

        let echo = std::thread::spawn(move || {
            let (mut from, mut to) = (peer.try_clone().unwrap(), peer);
            std::io::copy(&mut from, &mut to).unwrap();
        });
        let writing = async {
            for _ in 0..64 {
                write.write_all(vec![9; 10_000]).await.0.unwrap();
            }
            drop(write);
        };
        let reading = async {
            let mut total = 0;
            loop {
                match read.read(Vec::with_capacity(30_000)).await.0.unwrap() {
                    0 => return total,
                    n => total += n,
                }
            }
        };
        assert_eq!(join!(writing, reading).1, 640_000);
        echo.join().unwrap();
    });
}

#[test]
fn dropping_the_half_that_writes_ends_the_stream_and_the_other_half_reads_on() {
    run(async {
        let (ours, mut peer) = pair().await;
        let (read, write) = ours.into_split();
        assert_eq!(write.writev(["la", "st"]).await.0.unwrap(), 4);
        write.writable().await.unwrap();
        drop(write);
        assert_eq!(read_all(&mut peer), b"last");
        peer.write_all(b"answer").unwrap();
        read.readable().await.unwrap();
        assert_eq!(read.peek(Vec::with_capacity(8)).await.1, b"answer");
        assert_eq!(read.read(Vec::with_capacity(8)).await.1, b"answer");
    });
}

#[test]
fn the_end_comes_behind_a_write_that_was_abandoned_in_flight() {
    run(async {
        let (ours, mut peer) = pair().await;
        let (read, write) = ours.into_split();
        let mut big = write.write_all(vec![3; 8 << 20]);
        pends(&mut big).await;
        laps(2).await;
        drop(big);
        drop(write);
        let reader = std::thread::spawn(move || {
            let all = read_all(&mut peer);
            peer.write_all(b"got it").unwrap();
            all.len()
        });
        assert_eq!(read.read(Vec::with_capacity(8)).await.1, b"got it");
        assert_eq!(reader.join().unwrap(), 8 << 20);
    });
}

#[test]
fn a_half_that_is_forgotten_or_reunited_tells_the_peer_nothing() {
    run(async {
        let (ours, mut peer) = pair().await;
        let (read, write) = ours.into_split();
        let ours = TcpStream::reunite(read, write).unwrap();
        ours.write_all("whole").await.0.unwrap();
        assert_eq!(read_some(&mut peer, 8), b"whole");

        let (read, write) = ours.into_split();
        write.forget();
        sleep(std::time::Duration::from_millis(10)).await;
        peer.set_nonblocking(true).unwrap();
        assert_eq!(
            peer.read(&mut [0; 8]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        drop(read);
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn halves_of_two_streams_are_not_reunited_and_come_back() {
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        let (a_read, a_write) = a.into_split();
        let (b_read, b_write) = b.into_split();
        let error = a_read.reunite(b_write).unwrap_err();
        assert_eq!(error.to_string(), "the halves are not of one stream");
        let a = error.0.reunite(a_write).unwrap();
        let b = error.1.reunite(b_read).unwrap();
        a.write_all("again").await.0.unwrap();
        assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"again");
    });
}

#[test]
fn a_half_alone_keeps_the_stream_open() {
    run(async {
        let (ours, mut peer) = pair().await;
        let (read, write) = ours.into_split();
        drop(read);
        assert_eq!(write.try_write(b"still").unwrap(), 5);
        assert_eq!(read_some(&mut peer, 8), b"still");
        drop(write);
        assert_eq!(read_all(&mut peer), b"");
    });
}
