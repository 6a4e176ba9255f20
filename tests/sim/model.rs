//! The model by itself: the same seed gives the same run, and what it does is what the man pages say.

use std::future::Future;
use std::io::ErrorKind;
use std::time::Duration;

use sakia::net::{TcpListener, TcpStream, UdpSocket};
use sakia::prelude::*;
use sakia::sim::{self, SimConfig, Simulation, opcode};

use crate::seeds::seeds;

async fn echo(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        sakia::spawn(async move {
            let mut buf = Vec::with_capacity(100);
            loop {
                let (result, filled) = stream.read(buf).await;
                let n = result.unwrap();
                if n == 0 {
                    return;
                }
                let (result, back) = stream.write_all(filled.slice(..n)).await;
                result.unwrap();
                buf = back.into_inner();
                buf.clear();
            }
        });
    }
}

async fn conversation(simulation: Simulation) -> Vec<u8> {
    let listener = TcpListener::bind("10.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = sakia::spawn(echo(listener));
    let mut heard = Vec::new();
    let clients: Vec<_> = (0..5u8)
        .map(|client| {
            sakia::spawn(async move {
                let stream = TcpStream::connect(addr).await.unwrap();
                let (sent, (result, back)) = futures_util::join!(
                    stream.write_all(vec![client; 1000]),
                    stream.read_exact(vec![0; 1000])
                );
                sent.0.unwrap();
                result.unwrap();
                back
            })
        })
        .collect();
    for client in clients {
        heard.extend(client.await.unwrap());
    }
    server.abort();
    simulation.write_file("/tmp/heard", heard.clone()).unwrap();
    let file = sakia::fs::File::open("/tmp/heard").await.unwrap();
    let (result, read) = file.read_exact_at(vec![0; 5000], 0).await;
    result.unwrap();
    assert_eq!(read, heard);
    heard
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_nanosecond_and_another_one_another() {
    let run = |seed| {
        let run = sim::attempt(SimConfig::rough(seed), conversation);
        assert_eq!(run.complaints(), [""; 0], "{run}");
        (run.simulation.trace(), run.simulation.trace_hash())
    };
    let mut different = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let (first, second) = (run(seed), run(seed));
        let differs = first
            .0
            .iter()
            .zip(&second.0)
            .find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.1, second.1, "seed {seed}");
        different.insert(first.1);
    }
    assert_eq!(different.len(), 20);
}

#[test]
fn what_was_sent_comes_back_whatever_the_seed() {
    sim::explore(seeds(), SimConfig::rough, |simulation| async {
        let heard = conversation(simulation).await;
        let sent: Vec<u8> = (0..5u8).flat_map(|client| [client; 1000]).collect();
        assert_eq!(heard, sent);
    });
}

#[test]
fn an_hour_of_virtual_time_takes_no_time() {
    let begun = std::time::Instant::now();
    let run = sim::attempt(SimConfig::new(1), |_| async {
        let before = sakia::time::now();
        sakia::time::sleep(Duration::from_secs(3600)).await;
        sakia::time::now() - before
    });
    assert!(run.output >= Duration::from_secs(3600));
    assert!(run.output < Duration::from_secs(3601));
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn errors_come_where_they_are_asked_for() {
    let full = |seed| SimConfig::new(seed).error(opcode::WRITE, 28, 1.0);
    sim::explore(0..5, full, |simulation| async move {
        let file = sakia::fs::File::create("/tmp/a").await.unwrap();
        let (result, bytes) = file.write_at(b"abc".to_vec(), 0).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(bytes, b"abc");
        assert_eq!(simulation.read_file("/tmp/a").unwrap(), b"");
    });
    let none = |seed| SimConfig::new(seed).descriptor_limit(4);
    sim::explore(0..5, none, |_| async {
        let _first = sakia::fs::File::create("/tmp/a").await.unwrap();
        let _second = sakia::fs::File::create("/tmp/b").await.unwrap();
        let error = sakia::fs::File::create("/tmp/c").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(24), "EMFILE");
    });
}

#[test]
fn nobody_listens_and_the_peer_goes() {
    sim::explore(0..50, SimConfig::rough, |_| async {
        let refused = TcpStream::connect("10.0.0.1:1").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        assert_eq!(
            TcpListener::bind("10.0.0.9:80").await.unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        let client = TcpStream::connect("10.0.0.1:80").await.unwrap();
        let (served, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        client.write_all(b"unread".to_vec()).await.0.unwrap();
        served.readable().await.unwrap();
        drop(served);
        let (result, _) = client.read(vec![0; 8]).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let (result, _) = client.read(vec![0; 8]).await;
        assert_eq!(result.unwrap(), 0);
    });
}

#[test]
fn datagrams_are_whole_and_may_be_lost() {
    let lossy = |seed| SimConfig::rough(seed).datagram_loss(0.3);
    sim::explore(0..50, lossy, |_| async {
        let (one, other) = (
            UdpSocket::bind("10.0.0.1:0").await.unwrap(),
            UdpSocket::bind("10.0.0.1:0").await.unwrap(),
        );
        for n in 1..=20u8 {
            let to = other.local_addr().unwrap();
            one.send_to(vec![n; usize::from(n)], to).await.0.unwrap();
        }
        let deadline = Duration::from_secs(1);
        while let Ok((result, data)) =
            sakia::time::timeout(deadline, other.recv_from(Vec::with_capacity(64))).await
        {
            let (n, from) = result.unwrap();
            assert_eq!(from, one.local_addr().unwrap());
            assert_eq!(data, vec![n as u8; n]);
        }
    });
}

#[test]
fn a_program_that_waits_for_ever_is_told_so() {
    let stuck = std::panic::catch_unwind(|| {
        sim::run(SimConfig::new(1), |_| std::future::pending::<()>());
    });
    let text = *stuck.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("will never happen"), "{text}");
}

#[test]
fn what_would_leave_the_simulation_is_an_error() {
    fn unsupported<T>(result: std::io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == ErrorKind::Unsupported)
    }
    async fn all() {
        let real = std::fs::File::open("/dev/null").unwrap();
        assert!(unsupported(sakia::fs::File::from_std(real)));
        let file = sakia::fs::File::create("/tmp/a").await.unwrap();
        assert!(unsupported(file.into_std().await));
        assert!(unsupported(sakia::fs::read_dir("/tmp").await));
        assert!(TcpStream::connect("localhost:1").await.is_err());
        assert!(sakia::signal::ctrl_c().await.is_err());
        let answer = sakia::spawn_blocking(|| std::thread::current().id());
        assert_eq!(answer.await.unwrap(), std::thread::current().id());
    }
    fn check(future: impl Future<Output = ()>) -> impl Future<Output = ()> {
        future
    }
    sim::run(SimConfig::new(1), |_| check(all()));
}
