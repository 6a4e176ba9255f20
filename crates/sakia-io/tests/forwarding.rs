//! Claims about what is handed on: a stream's own way of a method is kept behind references and boxes.
//! What the methods do by themselves belongs in `loops`.

mod support;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use sakia_buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_io::{
    AsyncRead, AsyncReadAt, AsyncReadAtExt, AsyncReadExt, AsyncWrite, AsyncWriteAt,
    AsyncWriteAtExt, AsyncWriteExt,
};

use support::block_on;

/// Writes down which of its methods was called, and does nothing.
#[derive(Default)]
struct Witness(Cell<&'static str>);

impl AsyncRead for Witness {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        self.0.set("read");
        (Ok(0), buf)
    }

    async fn readv<V: IoVecBufMut>(&mut self, bufs: V) -> BufResult<usize, V> {
        self.0.set("readv");
        (Ok(0), bufs)
    }

    async fn read_full<B: IoBufMut>(&mut self, buf: B) -> BufResult<(), B> {
        self.0.set("read_full");
        (Ok(()), buf)
    }

    async fn read_rest(&mut self, buf: Vec<u8>) -> BufResult<usize, Vec<u8>> {
        self.0.set("read_rest");
        (Ok(0), buf)
    }
}

impl AsyncWrite for Witness {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        self.0.set("write");
        (Ok(0), buf)
    }

    async fn writev<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
        self.0.set("writev");
        (Ok(0), bufs)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.set("flush");
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        self.0.set("shutdown");
        Ok(())
    }

    async fn write_full<B: IoBuf>(&mut self, buf: B) -> BufResult<(), B> {
        self.0.set("write_full");
        (Ok(()), buf)
    }
}

/// Calls each method on `stream`, and returns which ones arrived.
fn arrived<S: AsyncRead + AsyncWrite>(
    mut stream: S,
    seen: impl Fn(&S) -> &'static str,
) -> Vec<&'static str> {
    let mut all = Vec::new();
    block_on(stream.read(Vec::with_capacity(8))).0.unwrap();
    all.push(seen(&stream));
    block_on(stream.readv([Vec::with_capacity(8)])).0.unwrap();
    all.push(seen(&stream));
    block_on(stream.read_exact(Vec::with_capacity(8)))
        .0
        .unwrap();
    all.push(seen(&stream));
    block_on(stream.read_to_end(Vec::new())).0.unwrap();
    all.push(seen(&stream));
    block_on(stream.write("wheel")).0.unwrap();
    all.push(seen(&stream));
    block_on(stream.writev(["wheel"])).0.unwrap();
    all.push(seen(&stream));
    block_on(stream.write_all("wheel")).0.unwrap();
    all.push(seen(&stream));
    block_on(stream.flush()).unwrap();
    all.push(seen(&stream));
    block_on(stream.shutdown()).unwrap();
    all.push(seen(&stream));
    all
}

#[test]
fn a_reference_and_a_box_hand_on_each_method_as_it_is() {
    let each = [
        "read",
        "readv",
        "read_full",
        "read_rest",
        "write",
        "writev",
        "write_full",
        "flush",
        "shutdown",
    ];
    assert_eq!(arrived(Witness::default(), |s| s.0.get()), each);
    assert_eq!(arrived(&mut Witness::default(), |s| s.0.get()), each);
    assert_eq!(arrived(Box::new(Witness::default()), |s| s.0.get()), each);
}

#[test]
fn files_can_be_shared_by_references_and_counted_handles() {
    fn work<F: AsyncReadAt + AsyncWriteAt>(file: F) -> Vec<u8> {
        block_on(file.write_all_at("wheel", 2)).0.unwrap();
        let (result, buf) = block_on(file.read_to_end_at(Vec::new(), 1));
        assert_eq!(result.unwrap(), 6);
        buf
    }
    let file = || RefCell::new(b"a ".to_vec());
    let lent = file();
    assert_eq!(work(&lent), b" wheel");
    assert_eq!(work(Box::new(file())), b" wheel");
    assert_eq!(work(Rc::new(file())), b" wheel");
    #[allow(clippy::arc_with_non_send_sync, reason = "the type is what is tested")]
    let shared = Arc::new(file());
    assert_eq!(work(shared), b" wheel");
}

#[test]
fn nothing_is_read_or_written_before_the_first_poll() {
    let mut stream = Witness::default();
    drop(stream.read_exact(Vec::with_capacity(8)));
    drop(stream.write_all("wheel"));
    assert_eq!(stream.0.get(), "");

    let file = RefCell::new(Vec::new());
    drop(file.write_all_at("wheel", 0));
    assert_eq!(file.into_inner(), b"");
}
