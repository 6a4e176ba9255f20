//! The bridge on one half of a stream: each goes its own way, and the end of the writing one tells the peer.

use std::io::{Read as _, Write as _};

use sakia::net::{OwnedReadHalf, OwnedWriteHalf, TcpStream};
use sakia_compat::PollIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::help::*;

type Halves = (
    PollIo<OwnedReadHalf<TcpStream>>,
    PollIo<OwnedWriteHalf<TcpStream>>,
);

async fn halves() -> (Halves, std::net::TcpStream) {
    let (io, peer) = pair();
    let (read, write) = io.into_parts().await.stream.into_split();
    ((PollIo::new(read), PollIo::new(write)), peer)
}

#[test]
fn two_tasks_copy_both_ways_at_once_over_the_halves_of_one_stream() {
    run(async {
        let ((mut read, mut write), mut peer) = halves().await;
        let sent = pattern(4 << 20);
        let there = sent.clone();
        let client = sakia::spawn(beside(move || {
            let mut writer = peer.try_clone().unwrap();
            let writing = std::thread::spawn(move || {
                writer.write_all(&there).unwrap();
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let mut got = Vec::new();
            peer.read_to_end(&mut got).unwrap();
            writing.join().unwrap();
            got
        }));
        let copied = sakia::spawn(async move {
            let copied = tokio::io::copy(&mut read, &mut write).await.unwrap();
            write.shutdown().await.unwrap();
            copied
        });
        assert!(client.await.unwrap() == sent);
        assert_eq!(copied.await.unwrap(), sent.len() as u64);
    });
}

#[test]
fn a_writing_half_that_is_dropped_with_a_write_under_way_tells_the_peer_behind_it() {
    run(async {
        let ((mut read, mut write), mut peer) = halves().await;
        let mut accepted = fill(&mut write, b'a').await;
        write.write_all(b"the end").await.unwrap();
        accepted += 7;
        drop(write);
        let mut peer = beside(move || {
            let mut got = Vec::new();
            // To the end, which only the drop of the writing half can have told: the reading one lives.
            peer.read_to_end(&mut got).unwrap();
            assert_eq!(got.len(), accepted);
            assert!(got.ends_with(b"the end"));
            peer
        })
        .await;
        peer.write_all(b"still here").unwrap();
        let mut got = [0; 10];
        read.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"still here");
    });
}
