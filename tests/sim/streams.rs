//! Acts on streams: frames that must arrive whole, in order and once, whatever is dropped on the way; connections that must all be served.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::Shutdown;
use std::rc::Rc;

use sakia::net::{TcpListener, TcpStream};
use sakia::prelude::*;

use crate::dice::Dice;

/// What one direction of a connection has promised and brought.
#[derive(Default)]
struct Direction {
    /// The frames whose write was awaited to its end, which may be after they have arrived.
    sure: RefCell<Vec<u32>>,
}

fn frame(number: u32, len: usize) -> Vec<u8> {
    let mut frame = (len as u16).to_be_bytes().to_vec();
    frame.extend(number.to_be_bytes());
    frame.extend((0..len).map(|at| (number as usize * 7 + at) as u8));
    frame
}

async fn write_frames(stream: &TcpStream, dice: &Dice, direction: &Direction) -> io::Result<()> {
    let frames = 4 + dice.below(12) as u32;
    for number in 0..frames {
        let bytes = frame(number, dice.below(600));
        let last = number + 1 == frames;
        let sure = match dice.below(5) {
            _ if last => stream.write_all(bytes).await.0.map(|()| true)?,
            0 => {
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    match stream.try_write(rest) {
                        Ok(n) => rest = &rest[n..],
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error),
                    }
                }
                stream.write_all(rest.to_vec()).await.0.map(|()| true)?
            }
            1 => {
                let half = bytes.len() / 2;
                let pair = vec![bytes[..half].to_vec(), bytes[half..].to_vec()];
                let n = stream.writev(pair).await.0?;
                stream
                    .write_all(bytes[n..].to_vec())
                    .await
                    .0
                    .map(|()| true)?
            }
            _ => match dice.perhaps(stream.write_all(bytes)).await {
                Some((result, _)) => result.map(|()| true)?,
                None => false,
            },
        };
        if sure {
            direction.sure.borrow_mut().push(number);
        }
        dice.pause().await;
    }
    stream.shutdown(Shutdown::Write)
}

/// What has been read, taken apart into frames.
struct Reader {
    bytes: VecDeque<u8>,
    next: u32,
    seen: BTreeSet<u32>,
}

impl Reader {
    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        while self.bytes.len() >= 6 {
            let len = usize::from(u16::from_be_bytes([self.bytes[0], self.bytes[1]]));
            if self.bytes.len() < 6 + len {
                return;
            }
            let got: Vec<u8> = self.bytes.drain(..6 + len).collect();
            let number = u32::from_be_bytes([got[2], got[3], got[4], got[5]]);
            assert!(
                number >= self.next,
                "frame {number} came twice or out of order"
            );
            assert_eq!(got, frame(number, len), "a frame is whole");
            self.next = number + 1;
            self.seen.insert(number);
        }
    }
}

/// One read in one of the many ways; `None` if it was given up. Says whether the stream has ended.
async fn read_some(stream: &TcpStream, dice: &Dice) -> io::Result<Option<(Vec<u8>, bool)>> {
    let room = 1 + dice.below(700);
    let (bytes, ended) = match dice.below(6) {
        0 => {
            let _ = dice.perhaps(stream.readable()).await.transpose()?;
            let mut buf = vec![0; room];
            match stream.try_read(&mut buf) {
                Ok(n) => {
                    buf.truncate(n);
                    (buf, n == 0)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        1 => {
            let exact = Vec::with_capacity(room).slice(..room);
            match dice.perhaps(stream.read_exact(exact)).await {
                Some((Err(error), _)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                    return Err(error);
                }
                Some((result, bytes)) => (bytes.into_inner(), result.is_err()),
                None => return Ok(None),
            }
        }
        2 => {
            let (one, other) = (1 + room / 3, 1 + room / 2);
            let pair = vec![Vec::with_capacity(one), Vec::with_capacity(other)];
            match dice.perhaps(stream.readv(pair)).await {
                Some((result, pair)) => (pair.concat(), result? == 0),
                None => return Ok(None),
            }
        }
        _ => match dice.perhaps(stream.read(Vec::with_capacity(room))).await {
            Some((result, bytes)) => (bytes, result? == 0),
            None => return Ok(None),
        },
    };
    Ok(Some((bytes, ended)))
}

async fn read_frames(stream: &TcpStream, dice: &Dice, direction: &Direction) -> io::Result<()> {
    let mut reader = Reader {
        bytes: VecDeque::new(),
        next: 0,
        seen: BTreeSet::new(),
    };
    let mut peeked = Vec::new();
    let mut ended = false;
    while !ended {
        dice.pause().await;
        if dice.one_in(7) {
            let peeking = stream.peek(Vec::with_capacity(1 + dice.below(700)));
            if let Some((result, bytes)) = dice.perhaps(peeking).await {
                result?;
                peeked = bytes;
            }
            continue;
        }
        let Some((got, is_end)) = read_some(stream, dice).await? else {
            continue;
        };
        ended = is_end;
        let n = got.len().min(peeked.len());
        assert_eq!(got[..n], peeked[..n], "what was peeked comes next");
        if !got.is_empty() {
            peeked.clear();
        }
        reader.take(&got);
    }
    assert!(reader.bytes.is_empty(), "the stream ended inside a frame");
    for sure in &*direction.sure.borrow() {
        assert!(
            reader.seen.contains(sure),
            "frame {sure} was sent and is missing"
        );
    }
    let (result, _) = stream.read(vec![0; 8]).await;
    assert_eq!(result?, 0, "the end stays the end");
    Ok(())
}

async fn both_ways(
    stream: TcpStream,
    dice: Dice,
    out: Rc<Direction>,
    back: Rc<Direction>,
) -> io::Result<()> {
    let (wrote, read) = futures_util::join!(
        write_frames(&stream, &dice, &out),
        read_frames(&stream, &dice, &back)
    );
    wrote.and(read)?;
    if dice.one_in(2) {
        stream.close().await?;
    }
    Ok(())
}

/// Two ends of a connection that write and read frames, both ways at once.
pub async fn frames(dice: Dice, seed: u64) -> io::Result<()> {
    let listener = TcpListener::bind("10.1.0.1:0").await?;
    let addr = listener.local_addr()?;
    let (there, back) = (Rc::new(Direction::default()), Rc::new(Direction::default()));
    let serving = {
        let (there, back) = (there.clone(), back.clone());
        let dice = Dice::new(seed, 77);
        sakia::spawn(async move {
            let (stream, _) = listener.accept().await?;
            both_ways(stream, dice, back, there).await
        })
    };
    let stream = TcpStream::connect(addr).await?;
    both_ways(stream, dice, there, back).await?;
    serving.await.map_err(io::Error::other)?
}

/// Clients that must all be served by a listener whose accepts are dropped at random.
pub async fn clients(dice: Dice) -> io::Result<()> {
    let listener = Rc::new(TcpListener::bind("10.2.0.1:0").await?);
    let addr = listener.local_addr()?;
    let most = 2 + dice.below(6);
    let waiting: Vec<_> = (0..most as u8)
        .map(|id| {
            let dice = dice.clone();
            sakia::spawn(async move {
                dice.pause().await;
                if dice.one_in(3) {
                    // It may be established all the same, and is nobody's then.
                    drop(dice.perhaps(TcpStream::connect(addr)).await.transpose()?);
                }
                let stream = TcpStream::connect(addr).await?;
                stream.write_all(vec![id]).await.0?;
                let (result, answer) = stream.read_exact(vec![0]).await;
                result?;
                assert_eq!(answer, [id]);
                io::Result::Ok(())
            })
        })
        .collect();
    let served = Rc::new(Cell::new(0));
    let acceptors: Vec<_> = (0..1 + dice.below(2))
        .map(|_| {
            let (listener, served, dice) = (listener.clone(), served.clone(), dice.clone());
            sakia::spawn(async move {
                while served.get() < most {
                    // A patient accept would wait for ever once all are served.
                    let patience = dice.micros(20_000);
                    let accepting = sakia::time::timeout(patience, listener.accept());
                    let Ok(accepted) = accepting.await else {
                        continue;
                    };
                    let (stream, _) = accepted?;
                    let served = served.clone();
                    sakia::spawn(async move {
                        let (result, id) = stream.read(Vec::with_capacity(1).slice(..1)).await;
                        if result.is_ok_and(|n| n == 1)
                            && stream.write_all(id.into_inner()).await.0.is_ok()
                        {
                            served.set(served.get() + 1);
                        }
                    });
                }
                io::Result::Ok(())
            })
        })
        .collect();
    for task in waiting.into_iter().chain(acceptors) {
        task.await.map_err(io::Error::other)??;
    }
    Ok(())
}
