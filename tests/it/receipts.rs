//! Operations that are cancelled by name or run out of time: receipts, buffers that come back, and what the peer has seen.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use sakia::fs::{File, OpenOptions};
use sakia::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use sakia::prelude::*;

use crate::support::run_clean;

const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(20);

async fn pair() -> (TcpStream, StdStream) {
    let listener = StdListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let addr = listener.local_addr().expect("it is bound");
    let ours = TcpStream::connect(addr).await.expect("it listens");
    (ours, listener.accept().expect("we have connected").0)
}

#[track_caller]
fn timed_out<T: std::fmt::Debug>(result: std::io::Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn reads_that_a_select_cancels_by_name_lose_and_double_no_byte() {
    const BYTES: usize = 30_000;
    // The writer now and then waits for a cancelled read: a fast one would never let the reader run dry.
    const BURST: usize = 64;
    run_clean(async {
        let (ours, mut peer) = pair().await;
        let numbers: Vec<u8> = (0..BYTES).map(|n| (n % 251) as u8).collect();
        let sent = numbers.clone();
        let cancelled = Arc::new(AtomicUsize::new(0));
        let seen = cancelled.clone();
        let writer = thread::spawn(move || {
            for (n, piece) in sent.chunks(11).enumerate() {
                let before = seen.load(Relaxed);
                while n % BURST == 0 && seen.load(Relaxed) == before {
                    thread::yield_now();
                }
                peer.write_all(piece).unwrap();
                thread::yield_now();
            }
        });
        let (mut got, mut buf) = (Vec::new(), Vec::with_capacity(7));
        while got.len() < BYTES {
            buf.clear();
            let mut op = ours.read(buf);
            let receipt = tokio::select! {
                biased;
                (n, buf) = &mut op => Receipt::Completed(n, buf),
                () = sakia::yield_now() => op.cancel().await,
            };
            match receipt {
                Receipt::Completed(n, back) => {
                    let n = n.unwrap();
                    assert_ne!(n, 0, "the end after {} bytes", got.len());
                    got.extend_from_slice(&back[..n]);
                    buf = back;
                }
                Receipt::Cancelled(back) => {
                    cancelled.fetch_add(1, Relaxed);
                    buf = back;
                }
            }
        }
        writer.join().unwrap();
        assert!(got == numbers);
        let bursts = BYTES.div_ceil(11).div_ceil(BURST);
        assert!(cancelled.load(Relaxed) >= bursts, "or nothing was tried");
    });
}

#[test]
fn an_operation_out_of_time_gives_its_own_buffer_back_and_loses_nothing() {
    run_clean(async {
        let (ours, mut peer) = pair().await;
        let buf = vec![0; 64];
        let place = buf.as_ptr();
        let (late, buf) = ours.read(buf).timeout(SHORT).await;
        timed_out(late);
        assert_eq!(buf.as_ptr(), place);
        let (late, buf) = ours.peek(buf).timeout(SHORT).await;
        timed_out(late);
        timed_out(ours.readable().timeout(SHORT).await);

        peer.write_all(b"abc").unwrap();
        let (late, buf) = ours.read_exact(buf).timeout(SHORT).await;
        timed_out(late);
        let (late, _) = ours.read_to_end(Vec::new()).timeout(SHORT).await;
        timed_out(late);
        let (late, parts) = ours
            .readv([Box::new([0; 2]), Box::new([0; 2])])
            .timeout(LONG)
            .await;
        assert_eq!((late.unwrap(), *parts[0], parts[1][0]), (3, *b"ab", b'c'));
        peer.write_all(b"defg").unwrap();
        let (n, buf) = ours.read(buf).timeout(LONG).await;
        assert_eq!(
            (n.unwrap(), &buf[..4], buf.as_ptr()),
            (4, &b"defg"[..], place)
        );
    });
}

#[test]
fn a_write_out_of_time_tells_in_doubt_what_the_peer_reads() {
    run_clean(async {
        let (ours, mut peer) = pair().await;
        let (late, buf) = ours.write_all(vec![b'1'; 16 << 20]).timeout(SHORT).await;
        timed_out(late);
        assert_eq!(buf.len(), 16 << 20);
        timed_out(ours.writable().timeout(SHORT).await);
        let doubt = ours.in_doubt().expect("a write ran out of time");
        assert!(!doubt.is_pending());
        assert!(doubt.sent() > 0 && doubt.sent() < doubt.len(), "{doubt:?}");
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all)
        });
        ours.write_all("2").timeout(LONG).await.0.unwrap();
        drop(ours);
        let all = reader.join().unwrap().unwrap();
        assert_eq!(all.len(), doubt.sent() + 1);
        assert_eq!(all.last(), Some(&b'2'));
    });
}

#[test]
fn accepts_connects_and_datagrams_run_out_of_time_and_lose_nothing() {
    run_clean(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        timed_out(listener.accept().timeout(SHORT).await);
        let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_, addr) = listener.accept().timeout(LONG).await.unwrap();
        assert_eq!(addr, peer.local_addr().unwrap());

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let _full = StdUnixListener::bind(&path).unwrap();
        let mut waiting = Vec::new();
        // The backlog of std's listener is 128, or what the system allows.
        let late = loop {
            match UnixStream::connect(&path)
                .timeout(Duration::from_millis(200))
                .await
            {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 100_000, "it is never full");
        };
        assert_eq!(late.kind(), ErrorKind::TimedOut, "{late}");

        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (late, buf) = socket.recv_from(Vec::with_capacity(8)).timeout(SHORT).await;
        timed_out(late);
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(b"kept", socket.local_addr().unwrap()).unwrap();
        let (received, buf) = socket.recv_from(buf).timeout(LONG).await;
        assert_eq!(received.unwrap(), (4, peer.local_addr().unwrap()));
        assert_eq!(buf, b"kept");
    });
}

#[test]
fn files_and_fifos_are_cancelled_or_have_their_result() {
    run_clean(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let fifo = OpenOptions::new().read(true).write(true).open(&path);
        let fifo = fifo.timeout(LONG).await.unwrap();
        let (late, buf) = fifo.read(vec![0; 8]).timeout(SHORT).await;
        timed_out(late);
        fifo.write_all("abc").timeout(LONG).await.0.unwrap();
        let (late, buf) = fifo
            .read_exact(buf)
            .timeout(Duration::from_millis(50))
            .await;
        timed_out(late);
        let mut exact = fifo.read_exact(buf);
        tokio::select! {
            biased;
            _ = &mut exact => panic!("five bytes are missing"),
            () = sakia::time::sleep(Duration::from_millis(50)) => {}
        }
        match exact.cancel().await {
            Receipt::Completed(Ok(3), buf) => assert_eq!(buf[..3], *b"abc"),
            other => panic!("{other:?}"),
        }
        let (late, text) = fifo.read_to_end(b"had".to_vec()).timeout(SHORT).await;
        timed_out(late);
        assert_eq!(text, b"had");

        let file = dir.path().join("file");
        std::fs::write(&file, "hello, wheel").unwrap();
        let file = File::open(&file).timeout(LONG).await.unwrap();
        assert_eq!(file.metadata().timeout(LONG).await.unwrap().len(), 12);
        let (all, text) = file.read_to_end_at(Vec::new(), 7).timeout(LONG).await;
        assert_eq!((all.unwrap(), &text[..]), (5, &b"wheel"[..]));
        match file.read_exact_at(Box::new([0; 5]), 0).cancel().await {
            Receipt::Cancelled(buf) => assert_eq!(*buf, [0; 5], "it was not begun"),
            other => panic!("{other:?}"),
        }
        let sequential = file.read_exact(Box::new([0; 5])).timeout(LONG).await;
        assert_eq!(*sequential.1, *b"hello", "the cursor has not moved before");
    });
}
