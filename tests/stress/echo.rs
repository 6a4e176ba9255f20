//! The watcher's peers: an echo server of std and threads, which looks at the order of what it reads and sees every end.
//!
//! The first byte of a connection says what follows. `EXACT`: numbered bytes, none missing; each is sent back. `ORDER`: blocks of
//! equal bytes whose number only grows, parts of which may be missing, for the writer gave some up; nothing is sent back.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

pub const EXACT: u8 = 0xE0;
pub const ORDER: u8 = 0xE1;

/// The byte at a place of a numbered stream.
pub fn numbered(at: usize) -> u8 {
    (at % 251) as u8
}

#[derive(Default)]
pub struct Peers {
    /// Connections whose end was not seen yet.
    pub open: AtomicUsize,
    pub served: AtomicUsize,
    pub bytes: AtomicUsize,
    /// A stream came out of order.
    pub broken: AtomicBool,
}

/// Starts the server; answers its port.
pub fn serve(peers: &Arc<Peers>) -> std::io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let peers = peers.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            peers.open.fetch_add(1, SeqCst);
            let peers = peers.clone();
            std::thread::spawn(move || {
                let bytes = talk(stream, &peers);
                peers.bytes.fetch_add(bytes, SeqCst);
                peers.served.fetch_add(1, SeqCst);
                peers.open.fetch_sub(1, SeqCst);
            });
        }
    });
    Ok(port)
}

/// Reads to the end, or to a reset; both are ends that the peer was told of.
fn talk(mut stream: TcpStream, peers: &Peers) -> usize {
    let mut buf = [0; 16384];
    let (mut mode, mut total, mut last) = (None, 0, 0u8);
    while let Ok(n @ 1..) = stream.read(&mut buf) {
        let mut read = &buf[..n];
        let mode = *mode.get_or_insert_with(|| {
            let first = read[0];
            read = &read[1..];
            first
        });
        let fine = if mode == EXACT {
            read.iter()
                .enumerate()
                .all(|(i, b)| *b == numbered(total + i))
        } else {
            mode == ORDER
                && read
                    .iter()
                    .all(|b| b.wrapping_sub(std::mem::replace(&mut last, *b)) < 128)
        };
        if !fine {
            eprintln!("stress: a peer was sent bytes that are out of order, after {total} of them");
            peers.broken.store(true, SeqCst);
            return total;
        }
        total += read.len();
        if mode == EXACT && stream.write_all(read).is_err() {
            break;
        }
    }
    total
}
