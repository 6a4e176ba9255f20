//! Claims about single buffers: lengths, pointers, and what a read leaves behind.
//! Slices and lists have files of their own.

use std::io;

use sakia_buf::{BufError, BufResult, BufResultExt, IoBuf, IoBufMut};

/// Moves a value to the heap and back, and tells whether its memory stayed where it was.
fn stays<B: IoBuf>(buf: B) -> bool {
    let (ptr, init, total) = (buf.stable_ptr(), buf.bytes_init(), buf.bytes_total());
    let boxed = Box::new(buf);
    let same =
        |buf: &B| buf.stable_ptr() == ptr && buf.bytes_init() == init && buf.bytes_total() == total;
    let on_heap = same(&boxed);
    let back = *boxed;
    on_heap && same(&back)
}

#[test]
fn the_memory_of_a_buffer_stays_where_it_is_when_the_buffer_moves() {
    assert!(stays(Vec::from(*b"wheel")));
    assert!(stays(vec![1u8; 3].into_boxed_slice()));
    assert!(stays(Box::new([1u8; 3])));
    assert!(stays(&b"wheel"[..]));
    assert!(stays("wheel"));
    assert!(stays(String::from("wheel")));
    assert!(stays(vec![1u8; 9].slice(2..5)));
    #[cfg(feature = "bytes")]
    {
        assert!(stays(bytes::Bytes::from(vec![1u8; 9])));
        assert!(stays(bytes::Bytes::from_owner([1u8; 9])));
        assert!(stays(bytes::BytesMut::from(&b"wheel"[..])));
    }
}

#[test]
fn a_buffer_that_can_only_be_read_has_nothing_to_fill() {
    let mut text = String::with_capacity(64);
    text.push_str("wheel");
    assert_eq!((text.bytes_init(), text.bytes_total()), (5, 5));
    assert_eq!(("wheel".bytes_init(), "wheel".bytes_total()), (5, 5));
}

#[test]
fn the_room_of_a_vec_is_its_capacity() {
    let mut buf = Vec::<u8>::with_capacity(32);
    buf.push(1);
    assert_eq!((buf.bytes_init(), buf.bytes_total()), (1, buf.capacity()));
}

#[test]
fn a_read_overwrites_from_the_front_and_never_shortens() {
    fn reads<B: IoBufMut>(mut buf: B) {
        buf.fill_from(b"wheels");
        let before = buf.bytes_init();
        assert_eq!(buf.fill_from(b"st"), 2);
        assert_eq!(buf.bytes_init(), before);
        assert_eq!(&buf.as_slice()[..6], b"steels");
    }
    reads(Vec::with_capacity(8));
    reads(vec![0u8; 6].into_boxed_slice());
    reads(Box::new([0u8; 6]));
    reads(vec![0u8; 20].slice(3..9));
    #[cfg(feature = "bytes")]
    reads(bytes::BytesMut::with_capacity(8));
}

#[test]
fn a_buffer_without_room_takes_nothing() {
    assert_eq!(Vec::new().fill_from(b"wheel"), 0);
    assert_eq!(Box::new([]).fill_from(b"wheel"), 0);
    assert_eq!(vec![0u8; 4].slice(2..2).fill_from(b"wheel"), 0);
}

#[cfg(feature = "bytes")]
#[test]
fn halves_of_one_block_do_not_share_room() {
    let mut front = bytes::BytesMut::with_capacity(16);
    front.extend_from_slice(&[0; 16]);
    let mut back = front.split_off(8);
    assert_eq!(front.fill_from(&[1; 99]), 8);
    assert_eq!(back.fill_from(&[2; 4]), 4);
    assert_eq!(front[..], [1; 8]);
    assert_eq!(back[..], [2, 2, 2, 2, 0, 0, 0, 0]);
}

/// A buffer of which nothing can be printed or compared.
struct Opaque(u8);

#[test]
fn the_buffer_comes_back_on_both_sides_of_with_buf() {
    let fine: BufResult<usize, Opaque> = (Ok(3), Opaque(7));
    let (n, buf) = fine.with_buf().expect("it was Ok");
    assert_eq!((n, buf.0), (3, 7));

    let failed: BufResult<usize, Opaque> = (Err(io::ErrorKind::TimedOut.into()), Opaque(7));
    let Err(error) = failed.with_buf() else {
        panic!("an error became a success");
    };
    assert_eq!(error.buf().0, 7);
    let (error, buf) = error.into_parts();
    assert_eq!((error.kind(), buf.0), (io::ErrorKind::TimedOut, 7));
}

#[test]
fn a_question_mark_turns_a_buf_error_into_the_io_error_inside() {
    fn run() -> io::Result<usize> {
        let failed: BufResult<usize, Opaque> = (Err(io::Error::from_raw_os_error(104)), Opaque(0));
        let (n, _) = failed.with_buf()?;
        Ok(n)
    }
    assert_eq!(run().unwrap_err().raw_os_error(), Some(104));
}

#[test]
fn a_buf_error_reads_like_the_error_inside_and_does_not_show_the_buffer() {
    let error = BufError::new(io::Error::other("the wheel broke"), "secret");
    assert_eq!(error.to_string(), "the wheel broke");
    let debug = format!("{error:?}");
    assert!(debug.contains("the wheel broke") && !debug.contains("secret"));
    let boxed: Box<dyn std::error::Error> = Box::new(error);
    assert!(boxed.source().is_none(), "the chain would say it twice");
}
