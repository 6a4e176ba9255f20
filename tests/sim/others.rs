//! Acts on files, datagrams and tasks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use sakia::fs::File;
use sakia::net::{TcpListener, TcpStream, UdpSocket};

use crate::dice::Dice;

fn pattern(at: u64) -> u8 {
    (at * 13 % 251) as u8 + 1
}

/// Opens, writes, reads and closes, any of it dropped; what is read is what somebody wrote there, or nothing.
pub async fn files(dice: Dice, who: u64) -> io::Result<()> {
    let place = if dice.one_in(3) { "remote" } else { "tmp" };
    let path = format!("/{place}/{who}");
    for _ in 0..3 + dice.below(6) {
        let mut options = File::options();
        options.read(true).write(true).create(true);
        let Some(file) = dice.perhaps(options.open(&path)).await.transpose()? else {
            continue;
        };
        for _ in 0..dice.below(8) {
            let (at, len) = (dice.below(4000) as u64, 1 + dice.below(900));
            match dice.below(5) {
                0 | 1 => {
                    let data: Vec<u8> = (at..at + len as u64).map(pattern).collect();
                    let written = dice.perhaps(file.write_all_at(data, at)).await;
                    let _ = written.map(|(result, _)| result).transpose()?;
                }
                2 => {
                    let _ = dice.perhaps(file.set_len(at)).await.transpose()?;
                }
                3 => {
                    let _ = dice.perhaps(file.sync_all()).await.transpose()?;
                }
                _ => {
                    let read = dice
                        .perhaps(file.read_at(Vec::with_capacity(len), at))
                        .await;
                    if let Some((result, bytes)) = read {
                        result?;
                        let right =
                            |(i, byte): (usize, &u8)| *byte == 0 || *byte == pattern(at + i as u64);
                        assert!(bytes.iter().enumerate().all(right), "not what was written");
                    }
                }
            }
        }
        if dice.one_in(2) {
            let closed = dice.perhaps(Box::pin(file.close())).await;
            let _ = closed.transpose()?;
        }
    }
    let _ = dice
        .perhaps(sakia::fs::remove_file(&path))
        .await
        .transpose();
    Ok(())
}

/// Datagrams that arrive whole and once; none is lost but on the wire.
pub async fn datagrams(dice: Dice, lossless: bool) -> io::Result<()> {
    let (from, to) = (
        UdpSocket::bind("10.3.0.1:0").await?,
        UdpSocket::bind("10.3.0.2:0").await?,
    );
    let addr = to.local_addr()?;
    let sure: Rc<RefCell<BTreeMap<u8, usize>>> = Rc::default();
    let sending = {
        let (sure, dice) = (sure.clone(), dice.clone());
        sakia::spawn(async move {
            for number in 0..30u8 {
                let len = 1 + dice.below(40);
                let sent = dice.perhaps(from.send_to(vec![number; len], addr)).await;
                if let Some((result, _)) = sent {
                    result?;
                    sure.borrow_mut().insert(number, len);
                }
                dice.pause().await;
            }
            io::Result::Ok(())
        })
    };
    let mut seen = std::collections::BTreeSet::new();
    let quiet = Duration::from_secs(1);
    loop {
        if dice.one_in(3) {
            let peeking = to.peek_from(Vec::with_capacity(64));
            let peeked = sakia::time::timeout(dice.micros(5000), peeking).await;
            let _ = peeked.map(|(result, _)| result).ok().transpose()?;
        }
        let receiving = to.recv_from(Vec::with_capacity(64));
        if dice.one_in(3) {
            // Dropped in flight: what it was to bring is the next one's.
            let _ = futures_util::poll!(Box::pin(to.peek_from(Vec::with_capacity(64))));
        }
        let receiving = std::pin::pin!(dice.perhaps(receiving));
        let (result, data) = match sakia::time::timeout(quiet, receiving).await {
            Ok(Some(received)) => received,
            Ok(None) => continue,
            Err(_) => break,
        };
        result?;
        assert!(
            data.iter().all(|byte| *byte == data[0]),
            "a datagram is whole"
        );
        assert!(seen.insert(data[0]), "datagram {} came twice", data[0]);
        if let Some(len) = sure.borrow().get(&data[0]) {
            assert_eq!(*len, data.len(), "a datagram is not cut");
        }
    }
    sending.await.map_err(io::Error::other)??;
    if lossless {
        for number in sure.borrow().keys() {
            assert!(seen.contains(number), "datagram {number} was lost");
        }
    }
    Ok(())
}

/// Tasks that are aborted, or that panic, with ops in flight and descriptors in hand.
pub async fn tasks(dice: Dice) -> io::Result<()> {
    for _ in 0..2 + dice.below(4) {
        let mine = dice.clone();
        let task = sakia::spawn(async move {
            let listener = TcpListener::bind("10.4.0.1:0").await?;
            let addr = listener.local_addr()?;
            let client = TcpStream::connect(addr).await?;
            if mine.one_in(2) {
                client.set_linger(Some(Duration::from_secs(1)))?;
            }
            let (served, _) = listener.accept().await?;
            let _abandoned = (
                futures_util::poll!(Box::pin(client.read(vec![0; 100]))),
                futures_util::poll!(Box::pin(served.write_all(vec![1; 5000]))),
                futures_util::poll!(Box::pin(listener.accept())),
            );
            if mine.one_in(2) {
                sakia::time::sleep(mine.micros(1000)).await;
                std::panic::panic_any(OnPurpose);
            }
            let (result, _) = served.read(vec![0; 100]).await;
            result.map(drop)
        });
        sakia::time::sleep(dice.micros(5000)).await;
        if dice.one_in(2) {
            task.abort();
        }
        if dice.one_in(2) {
            let _ = sakia::time::timeout(dice.micros(5000), task).await;
        }
    }
    Ok(())
}

/// The payload of a panic that a test wants.
pub struct OnPurpose;
