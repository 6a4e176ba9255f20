//! Answers to messages that came together go out together, and never later than the poll that made them, however that ends.

use std::future::{Future, pending};
use std::io::Write;
use std::net::{Shutdown, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::AsRawFd;

use sakia::net::TcpStream;
use sakia::prelude::*;
use sakia_tests::{is_emulated, unsent};

use crate::support::run_clean;

const LEN: usize = 4;

/// A connection in whose socket three messages wait behind a byte that was read, its peer, and another handle of its socket, which the runtime knows nothing of.
async fn asked() -> (TcpStream, StdStream, StdStream) {
    let listener = StdListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let ours = StdStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    let (mut peer, _) = listener.accept().expect("we have connected");
    ours.set_nodelay(true).expect("TCP has this option");
    let witness = ours.try_clone().expect("a descriptor is left");
    let ours = TcpStream::from_std(ours).expect("it is a stream");
    peer.write_all(&[7; 1 + 3 * LEN]).expect("it is connected");
    let (n, _) = ours.read(Vec::with_capacity(1)).await;
    assert_eq!(n.expect("it is connected"), 1);
    sakia::yield_now().await;
    (ours, peer, witness)
}

/// Reads a message and answers it. What the kernel was told to hold back of the answers is `held` bytes then.
async fn answer(stream: &TcpStream, witness: &StdStream, held: usize) {
    let (n, buf) = stream.read(Vec::with_capacity(LEN)).await;
    assert_eq!(n.expect("it is connected"), LEN);
    stream.write_all(buf).await.0.expect("it is connected");
    // The emulated kernel does not say whether more has arrived, and has each answer go at once.
    if !is_emulated() {
        assert_eq!(unsent(witness.as_raw_fd()), held, "it is held back");
    }
}

/// The task answers in its first poll; when that is over, nothing is held back.
fn is_out_behind<F>(task: impl FnOnce(TcpStream, StdStream) -> F + 'static)
where
    F: Future<Output = ()> + 'static,
{
    run_clean(async move {
        let (ours, peer, witness) = asked().await;
        let again = witness.try_clone().expect("a descriptor is left");
        let task = sakia::spawn(task(ours, again));
        sakia::yield_now().await;
        assert_eq!(unsent(witness.as_raw_fd()), 0, "its poll is over");
        task.abort();
        let _ = task.await;
        drop(peer);
    });
}

#[test]
fn an_answer_is_out_when_its_task_waits_for_something_else() {
    is_out_behind(|ours, witness| async move {
        answer(&ours, &witness, LEN).await;
        answer(&ours, &witness, 2 * LEN).await;
        pending().await
    });
}

#[test]
fn an_answer_is_out_when_its_task_has_ended_or_panicked() {
    is_out_behind(|ours, witness| async move { answer(&ours, &witness, LEN).await });
    is_out_behind(|ours, witness| async move {
        answer(&ours, &witness, LEN).await;
        panic!("an answer was made, and then this");
    });
}

#[test]
fn an_answer_of_the_outermost_future_is_out_when_that_waits() {
    run_clean(async {
        let (ours, _peer, witness) = asked().await;
        answer(&ours, &witness, LEN).await;
        let again = witness.try_clone().expect("a descriptor is left");
        let looks = sakia::spawn(async move { unsent(again.as_raw_fd()) });
        assert_eq!(looks.await.expect("it does not panic"), 0);
    });
}

#[test]
fn a_flush_sends_the_answers_at_once() {
    run_clean(async {
        let (ours, _peer, witness) = asked().await;
        answer(&ours, &witness, LEN).await;
        (&ours).flush().await.expect("it is connected");
        assert_eq!(unsent(witness.as_raw_fd()), 0);
    });
}

#[test]
fn the_end_of_writes_sends_the_answers_before_it() {
    run_clean(async {
        let (ours, mut peer, witness) = asked().await;
        answer(&ours, &witness, LEN).await;
        ours.shutdown(Shutdown::Write).expect("it is connected");
        let mut got = Vec::new();
        std::io::Read::read_to_end(&mut peer, &mut got).expect("it is connected");
        assert_eq!(got, [7; LEN]);
    });
}
