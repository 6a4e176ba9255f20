//! The traits of sakia-io: generic code works on streams, halves and references to them.

use std::io::Write;
use std::net::Shutdown;

use sakia_buf::IoBuf;
use sakia_io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use sakia_net::{TcpStream, UnixStream};

use crate::common::{for_turns, laps, pair, pends, read_all, run};

async fn ask<R: AsyncRead, W: AsyncWrite>(mut from: R, mut to: W) -> Vec<u8> {
    to.writev(["qu", "es"]).await.0.unwrap();
    to.write_all("tion").await.0.unwrap();
    to.flush().await.unwrap();
    to.shutdown().await.unwrap();
    let (result, head) = from.read_exact(Vec::with_capacity(3).slice(..3)).await;
    result.unwrap();
    let (result, all) = from.read_to_end(head.into_inner()).await;
    result.unwrap();
    all
}

/// Reads a question to its end, and answers.
async fn answer(peer: &UnixStream) {
    assert_eq!(peer.read_to_end(Vec::new()).await.1, b"question");
    peer.write_all("the answer").await.0.unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
}

#[test]
fn streams_references_and_halves_read_and_write_by_the_traits() {
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        let (got, ()) = futures_util::join!(ask(&a, &a), answer(&b));
        assert_eq!(got, b"the answer");

        let (a, b) = UnixStream::pair().unwrap();
        let (read, write) = a.into_split();
        let (got, ()) = futures_util::join!(ask(&read, &write), answer(&b));
        assert_eq!(got, b"the answer");

        let (a, b) = UnixStream::pair().unwrap();
        let (read, write) = a.into_split();
        let (got, ()) = futures_util::join!(ask(read, write), answer(&b));
        assert_eq!(got, b"the answer");
    });
}

#[test]
fn copy_carries_one_stream_into_another() {
    run(async {
        let (from, mut source) = pair().await;
        let (to, mut sink) = pair().await;
        let writer = std::thread::spawn(move || source.write_all(&[5; 300_000]).unwrap());
        let reader = std::thread::spawn(move || read_all(&mut sink).len());
        assert_eq!(sakia_io::copy(&mut &from, &mut &to).await.unwrap(), 300_000);
        drop(to);
        writer.join().unwrap();
        assert_eq!(reader.join().unwrap(), 300_000);
    });
}

#[test]
fn read_exact_of_the_trait_gives_its_part_back_when_dropped() {
    run(async {
        let (mut ours, mut peer) = pair().await;
        peer.write_all(b"half").unwrap();
        let mut exact = Box::pin(AsyncReadExt::read_exact(&mut ours, Box::new([0; 8])));
        assert!(for_turns(4, &mut exact).await.is_none());
        drop(exact);
        peer.write_all(b"rest").unwrap();
        let (result, buf) = TcpStream::read_exact(&ours, Box::new([0; 8])).await;
        result.unwrap();
        assert_eq!(*buf, *b"halfrest");
    });
}

#[test]
fn shutdown_of_the_trait_comes_behind_a_write_that_was_abandoned() {
    run(async {
        let (mut ours, mut peer) = pair().await;
        let mut big = ours.write_all(vec![1; 8 << 20]);
        pends(&mut big).await;
        laps(2).await;
        drop(big);
        AsyncWrite::shutdown(&mut ours).await.unwrap();
        let reader = std::thread::spawn(move || {
            let all = read_all(&mut peer).len();
            peer.write_all(b"all").unwrap();
            all
        });
        assert_eq!(ours.read(Vec::with_capacity(4)).await.1, b"all");
        assert_eq!(reader.join().unwrap(), 8 << 20);
    });
}
