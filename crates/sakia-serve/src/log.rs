//! The access log: lines in the Common Log Format, kept in memory until the disk has taken them.
//!
//! Requests never wait for the log. A disk that is full, or has failed, is said once on stderr; lines are kept up to [`ROOM`], those beyond
//! are counted, and when the disk takes lines again that is said as well. At the end the writer has a last try.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use hyper::{Method, StatusCode, Uri, Version};
use sakia::fs::{File, OpenOptions};

/// How many bytes of lines wait for a disk that takes none.
const ROOM: usize = 1 << 20;
/// How long the writer waits before it tries a disk again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a line tells.
pub(crate) struct Entry<'a> {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) version: Version,
    pub(crate) status: StatusCode,
    /// The length that the response's head promises.
    pub(crate) len: Option<u64>,
}

/// Where requests put their lines.
#[derive(Default)]
pub(crate) struct Log {
    lines: RefCell<Vec<u8>>,
    /// Lines that found no room.
    lost: Cell<u64>,
    closing: Cell<bool>,
    writer: Cell<Option<Waker>>,
}

impl Log {
    pub(crate) fn note(&self, entry: &Entry<'_>) {
        let mut lines = self.lines.borrow_mut();
        let line = line(entry, SystemTime::now());
        if lines.len() + line.len() > ROOM {
            self.lost.set(self.lost.get() + 1);
            return;
        }
        lines.extend_from_slice(line.as_bytes());
        drop(lines);
        self.wake();
    }

    /// No more lines will come: the writer ends when the disk has taken what is there.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }

    /// Lines that the disk has not taken: they come before what has been noted since.
    fn put_back(&self, mut lines: Vec<u8>) {
        let mut newer = self.lines.borrow_mut();
        lines.extend_from_slice(&newer);
        *newer = lines;
    }

    /// Lines to be written; `None` after the last.
    async fn next(&self) -> Option<Vec<u8>> {
        poll_fn(|cx| {
            let lines = std::mem::take(&mut *self.lines.borrow_mut());
            if !lines.is_empty() {
                return Poll::Ready(Some(lines));
            }
            if self.closing.get() {
                return Poll::Ready(None);
            }
            self.writer.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

/// Opens the file that lines are appended to, and made if need be.
pub(crate) async fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).open(path).await
}

/// Writes the log's lines until it is closed; answers how many lines could not be written.
pub(crate) async fn write(log: Rc<Log>, file: File) -> u64 {
    let mut in_trouble = false;
    while let Some(lines) = log.next().await {
        let (written, mut lines) = file.write(lines).await;
        lines.drain(..*written.as_ref().unwrap_or(&0));
        log.put_back(lines);
        match written {
            Ok(_) if in_trouble => {
                in_trouble = false;
                let lost = log.lost.get();
                eprintln!("sakia-serve: the access log takes lines again; {lost} were lost");
            }
            Ok(_) => {}
            Err(_) if log.closing.get() => break,
            Err(error) => {
                if !in_trouble {
                    eprintln!(
                        "sakia-serve: the access log takes no lines, serving goes on: {error}"
                    );
                }
                in_trouble = true;
                sakia::time::sleep(PAUSE).await;
            }
        }
    }
    let left = log
        .lines
        .borrow()
        .iter()
        .filter(|byte| **byte == b'\n')
        .count();
    log.lost.get() + left as u64
}

/// `127.0.0.1 - - [25/Nov/2026:11:52:00 +0000] "GET / HTTP/1.1" 200 512`.
fn line(entry: &Entry<'_>, now: SystemTime) -> String {
    let mut line = String::with_capacity(128);
    match entry.peer {
        Some(peer) => _ = write!(line, "{}", peer.ip()),
        None => line.push('-'),
    }
    line += " - - [";
    date(&mut line, now);
    _ = write!(line, "] \"{} ", entry.method);
    // A target is nearly always plain; what is not may neither end the quotes nor the line.
    for byte in entry.uri.to_string().bytes() {
        match byte {
            b'"' | b'\\' | ..b' ' | 0x7f.. => _ = write!(line, "\\x{byte:02x}"),
            _ => line.push(byte.into()),
        }
    }
    _ = write!(line, " {:?}\" {} ", entry.version, entry.status.as_u16());
    match entry.len {
        Some(len) => _ = writeln!(line, "{len}"),
        None => line += "-\n",
    }
    line
}

/// From "Wed, 25 Nov 2026 11:52:00 GMT".
fn date(line: &mut String, now: SystemTime) {
    let now = httpdate::fmt_http_date(now);
    let mut words = now.split(' ').skip(1);
    let mut next = || words.next().unwrap_or("-");
    let (day, month, year, time) = (next(), next(), next(), next());
    _ = write!(line, "{day}/{month}/{year}:{time} +0000");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uri: &Uri) -> Entry<'_> {
        Entry {
            peer: "127.0.0.1:80".parse().ok(),
            method: &Method::GET,
            uri,
            version: Version::HTTP_11,
            status: StatusCode::NOT_FOUND,
            len: Some(14),
        }
    }

    #[test]
    fn a_line_has_the_common_log_format() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(
            line(&entry(&Uri::from_static("/a?b")), at),
            "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 404 14\n"
        );
    }

    #[test]
    fn a_target_ends_neither_the_quotes_nor_the_line() {
        let uri: Uri = "/a\"b\\c".parse().expect("hyper takes it");
        let line = line(&entry(&uri), SystemTime::UNIX_EPOCH);
        assert!(line.contains("\"GET /a\\x22b\\x5cc HTTP/1.1\""), "{line}");
    }

    #[test]
    fn lines_beyond_the_room_are_counted_and_what_was_not_written_comes_first_again() {
        let log = Log::default();
        let uri = Uri::from_static("/");
        let one = line(&entry(&uri), SystemTime::now()).len();
        for _ in 0..ROOM / one + 3 {
            log.note(&entry(&uri));
        }
        assert_eq!(log.lost.get(), 3);
        let taken = std::mem::take(&mut *log.lines.borrow_mut());
        assert_eq!(taken.len(), ROOM / one * one);
        log.note(&entry(&uri));
        log.put_back(b"first ".to_vec());
        assert!(log.lines.borrow().starts_with(b"first 127.0.0.1"));
        assert_eq!(log.lost.get(), 3);
    }
}
