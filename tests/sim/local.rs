//! Acts within one machine: numbered bytes through a pair of sockets whose reads and writes are cancelled by name, pipes, and Unix datagrams.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use sakia::net::{UnixDatagram, UnixStream};
use sakia::prelude::*;

use crate::dice::Dice;

fn byte(at: usize) -> u8 {
    (at * 31 % 253) as u8
}

fn check(from: usize, got: &[u8]) {
    for (i, got) in got.iter().enumerate() {
        assert_eq!(*got, byte(from + i), "byte {} of the stream", from + i);
    }
}

/// Whether the op has ended by itself before some time was over.
async fn ended<F: Future + Unpin>(dice: &Dice, op: &mut F) -> Option<F::Output> {
    if dice.one_in(2) {
        return Some(op.await);
    }
    let time = std::pin::pin!(sakia::time::sleep(dice.micros(3000)));
    match select(op, time).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// A read into a buffer of the pool, that is awaited, cancelled by name, or dropped.
async fn pooled(dice: &Dice, stream: &UnixStream) -> io::Result<Vec<u8>> {
    let mut op = stream.read_pooled();
    let buf = match ended(dice, &mut op).await {
        Some(result) => result?,
        None if dice.one_in(2) => return Ok(Vec::new()),
        None => match op.cancel().await {
            Receipt::Completed(result, ()) => result?,
            Receipt::Cancelled(()) => None,
        },
    };
    Ok(buf.map(|buf| buf.to_vec()).unwrap_or_default())
}

/// Each write and each read is awaited or cancelled by name; the receipts say, to the byte, what has become of them.
pub async fn receipts(dice: Dice, seed: u64) -> io::Result<()> {
    const ALL: usize = 4000;
    let (one, other) = UnixStream::pair()?;
    let writing = {
        let dice = Dice::new(seed, 55);
        sakia::spawn(async move {
            let mut sent = 0;
            while sent < ALL {
                let len = (1 + dice.below(300)).min(ALL - sent);
                let bytes: Vec<u8> = (sent..sent + len).map(byte).collect();
                let mut op = one.write(bytes);
                sent += match ended(&dice, &mut op).await {
                    Some((result, _)) => result?,
                    None => match op.cancel().await {
                        Receipt::Completed(result, _) => result?,
                        Receipt::Cancelled(_) => 0,
                    },
                };
                dice.pause().await;
            }
            io::Result::Ok(())
        })
    };
    let mut got = 0;
    while got < ALL {
        if dice.one_in(3) {
            let bytes = pooled(&dice, &other).await?;
            check(got, &bytes);
            got += bytes.len();
            continue;
        }
        let mut op = other.read(Vec::with_capacity(1 + dice.below(200)));
        let bytes = match ended(&dice, &mut op).await {
            Some((result, bytes)) => result.map(|_| bytes)?,
            None => match op.cancel().await {
                Receipt::Completed(result, bytes) => result.map(|_| bytes)?,
                Receipt::Cancelled(_) => Vec::new(),
            },
        };
        check(got, &bytes);
        got += bytes.len();
        dice.pause().await;
    }
    writing.await.map_err(io::Error::other)??;
    let (result, _) = other.read(vec![0; 8]).await;
    assert_eq!(result?, 0, "nothing was sent twice");
    Ok(())
}

/// Bytes through a pipe, whose writer goes as soon as its last write is done.
pub async fn pipe(dice: Dice, seed: u64) -> io::Result<()> {
    const ALL: usize = 3000;
    let (sender, receiver) = sakia::net::pipe::pipe()?;
    let writing = {
        let dice = Dice::new(seed, 56);
        sakia::spawn(async move {
            let mut sent = 0;
            while sent < ALL {
                let len = (1 + dice.below(500)).min(ALL - sent);
                let bytes: Vec<u8> = (sent..sent + len).map(byte).collect();
                sender.write_all(bytes).await.0?;
                sent += len;
            }
            io::Result::Ok(())
        })
    };
    let mut got = 0;
    loop {
        let read = receiver.read(Vec::with_capacity(1 + dice.below(400)));
        let Some((result, bytes)) = dice.perhaps(read).await else {
            continue;
        };
        check(got, &bytes);
        got += bytes.len();
        if result? == 0 {
            break;
        }
    }
    assert_eq!(got, ALL);
    writing.await.map_err(io::Error::other)?
}

/// Unix datagrams: none is lost, cut, doubled or overtaken.
pub async fn records(dice: Dice, seed: u64) -> io::Result<()> {
    let (one, other) = UnixDatagram::pair()?;
    let sure: Rc<RefCell<Vec<u8>>> = Rc::default();
    let sending = {
        let (sure, dice) = (sure.clone(), Dice::new(seed, 57));
        sakia::spawn(async move {
            for number in 0..40u8 {
                let sent = dice.perhaps(one.send(vec![number; 1 + usize::from(number)]));
                if let Some((result, _)) = sent.await {
                    result?;
                    sure.borrow_mut().push(number);
                }
            }
            io::Result::Ok(())
        })
    };
    let mut seen = BTreeSet::new();
    loop {
        let receiving = std::pin::pin!(dice.perhaps(other.recv(Vec::with_capacity(64))));
        let (result, data) = match sakia::time::timeout(Duration::from_secs(1), receiving).await {
            Ok(Some(received)) => received,
            Ok(None) => continue,
            Err(_) => break,
        };
        result?;
        assert_eq!(data, vec![data[0]; 1 + usize::from(data[0])], "it is whole");
        assert!(
            seen.last() < Some(&data[0]),
            "{} came late or twice",
            data[0]
        );
        seen.insert(data[0]);
    }
    sending.await.map_err(io::Error::other)??;
    for number in &*sure.borrow() {
        assert!(seen.contains(number), "datagram {number} was lost");
    }
    Ok(())
}
