//! A stream whose every step is laid down by the test, and the loop that polls a future to its end.
//! Claims belong in the test files.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use sakia_buf::{BufResult, IoBuf, IoBufMut};
use sakia_io::{AsyncRead, AsyncWrite};

/// Polls to the end. A future that waits more often than any script says is stuck.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the future never ends");
}

/// What a stream does when it is asked once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// Moves at most so many bytes.
    Move(usize),
    /// Waits for one poll, then does the next act.
    Wait,
    /// Fails with this kind.
    Fail(io::ErrorKind),
    /// Moves nothing, and says that it moved so many bytes.
    Lie(usize),
}

/// Acts that let every loop come to its end.
pub fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1usize..20).prop_map(Act::Move),
        1 => Just(Act::Wait),
        1 => Just(Act::Fail(io::ErrorKind::Interrupted)),
    ];
    prop::collection::vec(act, 0..20)
}

/// Reads from `data`, or writes to it, as its acts say; when they are used up, as much as it can.
#[derive(Default)]
pub struct Scripted {
    pub data: Vec<u8>,
    pub acts: VecDeque<Act>,
    pub asked: usize,
    pub flushed: usize,
}

impl Scripted {
    pub fn new(data: &[u8], acts: &[Act]) -> Self {
        Self {
            data: data.to_vec(),
            acts: acts.iter().copied().collect(),
            ..Self::default()
        }
    }

    /// Returns how much may be moved, or what the stream answers without moving any.
    async fn act(&mut self) -> Result<usize, io::Result<usize>> {
        self.asked += 1;
        loop {
            match self.acts.pop_front() {
                None => return Ok(usize::MAX),
                Some(Act::Move(n)) => return Ok(n),
                Some(Act::Fail(kind)) => return Err(Err(kind.into())),
                Some(Act::Lie(n)) => return Err(Ok(n)),
                Some(Act::Wait) => wait_once().await,
            }
        }
    }
}

async fn wait_once() {
    let mut waited = false;
    poll_fn(|_| {
        if std::mem::replace(&mut waited, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

impl AsyncRead for Scripted {
    async fn read<B: IoBufMut>(&mut self, mut buf: B) -> BufResult<usize, B> {
        match self.act().await {
            Ok(limit) => {
                let n = buf.fill_from(&self.data[..self.data.len().min(limit)]);
                self.data.drain(..n);
                (Ok(n), buf)
            }
            Err(answer) => (answer, buf),
        }
    }
}

impl AsyncWrite for Scripted {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        match self.act().await {
            Ok(limit) => {
                let n = buf.bytes_init().min(limit);
                self.data.extend_from_slice(&buf.as_slice()[..n]);
                (Ok(n), buf)
            }
            Err(answer) => (answer, buf),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.flushed += 1;
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        Ok(())
    }
}
