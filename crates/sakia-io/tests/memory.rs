//! Claims about readers, writers and files in memory, and the loops at an offset.
//! The loops over streams belong in `loops`.

mod support;

use std::cell::RefCell;
use std::io::{Cursor, ErrorKind};

use proptest::prelude::*;
use sakia_buf::{BufResult, IoBuf, IoBufMut};
use sakia_io::{
    AsyncRead, AsyncReadAt, AsyncReadAtExt, AsyncReadExt, AsyncWrite, AsyncWriteAt,
    AsyncWriteAtExt, AsyncWriteExt,
};

use support::{Act, Scripted, acts, block_on};

/// A file that moves as many bytes at once as its acts say.
struct Slow {
    bytes: RefCell<Vec<u8>>,
    acts: RefCell<Scripted>,
}

impl Slow {
    fn new(bytes: &[u8], acts: &[Act]) -> Self {
        Self {
            bytes: RefCell::new(bytes.to_vec()),
            acts: RefCell::new(Scripted::new(&[0; 4096], acts)),
        }
    }

    /// Returns how much may be moved of `want` bytes.
    #[allow(clippy::await_holding_refcell_ref, reason = "nobody else has the file")]
    async fn limit(&self, want: usize) -> std::io::Result<usize> {
        let buf = vec![0; want].into_boxed_slice();
        self.acts.borrow_mut().read(buf).await.0
    }
}

impl AsyncReadAt for Slow {
    async fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        match self.limit(buf.bytes_total()).await {
            Ok(n) => {
                let (result, part) = self.bytes.read_at(buf.slice(..n), offset).await;
                (result, part.into_inner())
            }
            Err(error) => (Err(error), buf),
        }
    }
}

impl AsyncWriteAt for Slow {
    async fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        match self.limit(buf.bytes_init()).await {
            Ok(n) => {
                let (result, part) = self.bytes.write_at(buf.slice(..n), offset).await;
                (result, part.into_inner())
            }
            Err(error) => (Err(error), buf),
        }
    }
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..120)
}

proptest! {
    #[test]
    fn the_loops_at_an_offset_move_the_right_bytes_to_the_right_place(
        old in data(), new in data(), offset in 0usize..150, acts in acts(),
    ) {
        let mut expected = old.clone();
        if !new.is_empty() {
            expected.resize(expected.len().max(offset + new.len()), 0);
            expected[offset..offset + new.len()].copy_from_slice(&new);
        }
        let file = Slow::new(&old, &acts);
        prop_assert!(block_on(file.write_all_at(new.clone(), offset as u64)).0.is_ok());
        prop_assert_eq!(&*file.bytes.borrow(), &expected);

        let file = Slow::new(&expected, &acts);
        let exact = vec![0u8; new.len()].into_boxed_slice();
        let (result, exact) = block_on(file.read_exact_at(exact, offset as u64));
        prop_assert!(result.is_ok());
        prop_assert_eq!(&exact[..], &new[..]);

        let file = Slow::new(&expected, &acts);
        let (result, rest) = block_on(file.read_to_end_at(old.clone(), offset as u64));
        let tail = expected.get(offset..).unwrap_or_default();
        prop_assert_eq!(result.unwrap(), tail.len());
        prop_assert_eq!(rest, [&old[..], tail].concat());
    }

    #[test]
    fn cursors_and_slices_read_what_std_reads(data in data(), at in 0u64..150, room in 0usize..50) {
        let mut ours = Cursor::new(&data);
        let mut theirs = Cursor::new(&data);
        ours.set_position(at);
        theirs.set_position(at);
        let mut expected = vec![0u8; room];
        let n = std::io::Read::read(&mut theirs, &mut expected).unwrap();
        let (result, buf) = block_on(ours.read(vec![0u8; room].into_boxed_slice()));
        prop_assert_eq!((result.unwrap(), buf.into_vec()), (n, expected.clone()));
        prop_assert_eq!(ours.position(), theirs.position());

        ours.set_position(at);
        let list = [vec![0u8; room / 2].into_boxed_slice(), vec![0u8; room - room / 2].into_boxed_slice()];
        let (result, list) = block_on(ours.readv(list));
        prop_assert_eq!((result.unwrap(), list.concat()), (n, expected.clone()));
        prop_assert_eq!(ours.position(), theirs.position());

        let mut slice = data.get(at as usize..).unwrap_or_default();
        let before = slice.len();
        let (result, buf) = block_on(slice.read(vec![0u8; room].into_boxed_slice()));
        prop_assert_eq!((result.unwrap(), buf.into_vec()), (n, expected));
        prop_assert_eq!(slice.len(), before - n);
    }
}

#[test]
fn an_empty_write_behind_the_end_makes_no_gap() {
    let file = RefCell::new(b"a".to_vec());
    assert_eq!(block_on(file.write_at("", 9)).0.unwrap(), 0);
    assert_eq!(file.into_inner(), b"a");
}

#[test]
fn an_offset_that_no_memory_can_hold_is_an_error() {
    let file = RefCell::new(b"a".to_vec());
    for offset in [u64::MAX, u64::MAX - 2, i64::MAX as u64] {
        let (result, buf) = block_on(file.write_all_at("wheel", offset));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::OutOfMemory);
        assert_eq!(buf, "wheel");
    }
    let (result, _) = block_on(file.read_at(Box::new([0u8; 4]), u64::MAX));
    assert_eq!(result.unwrap(), 0);
    assert_eq!(file.into_inner(), b"a");
}

#[test]
fn a_loop_whose_offset_overflows_is_an_error_and_not_a_wrap() {
    /// A file without end.
    struct Endless;
    impl AsyncReadAt for Endless {
        async fn read_at<B: IoBufMut>(&self, mut buf: B, _offset: u64) -> BufResult<usize, B> {
            (Ok(buf.fill_from(&[7; 3])), buf)
        }
    }
    let (result, _) = block_on(Endless.read_exact_at(Box::new([0u8; 9]), u64::MAX - 4));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_cursor_over_fixed_memory_takes_what_fits_and_then_no_more() {
    let mut cursor = Cursor::new([0u8; 4]);
    let (result, _) = block_on(cursor.write_all("wheel"));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(cursor.into_inner(), *b"whee");
}

#[test]
fn a_vector_is_written_at_its_end() {
    let mut writer = b"a ".to_vec();
    block_on(writer.write_all("wh")).0.unwrap();
    assert_eq!(block_on(writer.writev(("e", "el"))).0.unwrap(), 3);
    assert_eq!(writer, b"a wheel");
    assert_eq!(
        block_on((&writer[..]).read_to_end(Vec::new())).1,
        b"a wheel"
    );
}
