//! Claims about the loops: `read_exact`, `read_to_end`, `write_all`, `copy`, and the vectored methods that copy.
//! What the readers and writers in memory do has a file of its own.

mod support;

use std::io::ErrorKind;

use proptest::prelude::*;
use sakia_buf::{BufResult, IoBuf, IoBufMut, Slice};
use sakia_io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};

use support::{Act, Scripted, acts, block_on};

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..120)
}

proptest! {
    #[test]
    fn read_exact_fills_the_capacity_however_the_bytes_come(
        data in data(), acts in acts(), cut in 0usize..120,
    ) {
        let n = cut.min(data.len());
        let mut reader = Scripted::new(&data, &acts);
        let (result, buf) = block_on(reader.read_exact(vec![0u8; n].into_boxed_slice()));
        prop_assert!(result.is_ok());
        prop_assert_eq!(&buf[..], &data[..n]);
        prop_assert_eq!(&reader.data[..], &data[n..], "no byte more is taken");
    }

    #[test]
    fn read_exact_gives_back_what_it_read_before_the_end(data in data(), acts in acts(), more in 1usize..9) {
        let want = data.len() + more;
        let mut reader = Scripted::new(&data, &acts);
        let (result, part) = block_on(reader.read_exact(Vec::with_capacity(want).slice(..want)));
        prop_assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        prop_assert_eq!(part.into_inner(), data);
    }

    #[test]
    fn read_to_end_appends_everything_and_nothing_else(
        before in data(), data in data(), acts in acts(), room in 0usize..40,
    ) {
        let mut buf = Vec::with_capacity(before.len() + room);
        buf.extend_from_slice(&before);
        let (result, buf) = block_on(Scripted::new(&data, &acts).read_to_end(buf));
        prop_assert_eq!(result.unwrap(), data.len());
        prop_assert_eq!(buf, [before, data].concat());
    }

    #[test]
    fn write_all_sends_the_initialised_bytes_however_few_go_at_once(data in data(), acts in acts()) {
        let mut buf = Vec::with_capacity(data.len() + 50);
        buf.extend_from_slice(&data);
        let mut writer = Scripted::new(b"", &acts);
        let (result, buf) = block_on(writer.write_all(buf));
        prop_assert!(result.is_ok());
        prop_assert_eq!(&writer.data, &data);
        prop_assert_eq!(buf, data);
    }

    #[test]
    fn copy_moves_everything_in_order(data in data(), reads in acts(), writes in acts()) {
        let mut reader = Scripted::new(&data, &reads);
        let mut writer = Scripted::new(b"", &writes);
        let n = block_on(copy(&mut reader, &mut writer)).unwrap();
        prop_assert_eq!(n, data.len() as u64);
        prop_assert_eq!(&writer.data, &data);
        prop_assert_eq!(writer.flushed, 1);
    }

    #[test]
    fn the_vectored_methods_that_copy_move_what_one_call_moves(
        data in data(), limit in 1usize..60, sizes in prop::collection::vec(0usize..20, 0..5),
    ) {
        let room = sizes.iter().sum::<usize>();
        let n = limit.min(room).min(data.len());
        let mut reader = Scripted::new(&data, &[Act::Move(limit)]);
        let list: Vec<_> = sizes.iter().map(|&size| vec![0u8; size].into_boxed_slice()).collect();
        let (result, list) = block_on(reader.readv(list));
        prop_assert_eq!(result.unwrap(), n);
        prop_assert_eq!(&list.concat()[..n], &data[..n]);
        prop_assert_eq!(&reader.data[..], &data[n..], "no byte more is taken");

        let mut writer = Scripted::new(b"", &[Act::Move(limit)]);
        let whole = list.concat();
        let (result, _) = block_on(writer.writev(list));
        prop_assert_eq!(result.unwrap(), limit.min(room));
        prop_assert_eq!(&writer.data[..], &whole[..limit.min(room)]);
    }
}

#[test]
fn a_buffer_without_room_is_full_and_an_empty_one_is_written_without_asking() {
    let mut stream = Scripted::new(b"wheel", &[]);
    assert!(block_on(stream.read_exact(Vec::new())).0.is_ok());
    assert!(block_on(stream.write_all(Vec::with_capacity(8))).0.is_ok());
    assert_eq!(block_on(stream.readv([Vec::new()])).0.unwrap(), 0);
    assert_eq!(block_on(stream.writev(["", ""])).0.unwrap(), 0);
    assert_eq!(stream.asked, 0);
}

#[test]
fn a_writer_that_takes_no_more_is_an_error_and_not_a_loop() {
    let mut writer = Scripted::new(b"", &[Act::Move(3), Act::Move(0)]);
    let (result, buf) = block_on(writer.write_all("wheel"));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!((buf, writer.asked), ("wheel", 2));

    let mut writer = Scripted::new(b"", &[Act::Move(3), Act::Move(0)]);
    let error = block_on(copy(&mut &b"wheel"[..], &mut writer)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
}

#[test]
fn an_error_half_way_gives_the_buffer_back_with_what_was_read() {
    let acts = [Act::Move(3), Act::Fail(ErrorKind::ConnectionReset)];
    let mut reader = Scripted::new(b"wheel", &acts);
    let (result, buf) = block_on(reader.read_exact(Vec::with_capacity(9)));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(buf, b"whe");

    let mut reader = Scripted::new(b"wheel", &acts);
    let (result, buf) = block_on(reader.read_to_end(b"a ".to_vec()));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(buf, b"a whe");

    let mut writer = Scripted::new(b"", &acts);
    let (result, buf) = block_on(writer.write_all("wheel"));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!((buf, &writer.data[..]), ("wheel", &b"whe"[..]));
}

#[test]
fn a_stream_that_reports_more_than_it_moved_is_an_error_and_not_a_panic() {
    let lie = || Scripted::new(b"wheel", &[Act::Move(2), Act::Lie(4)]);
    let (result, buf) = block_on(lie().read_exact(Vec::with_capacity(9)));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Other);
    assert_eq!(buf, b"wh");

    let (result, buf) = block_on(lie().read_to_end(Vec::new()));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Other);
    assert_eq!(buf, b"wh");

    let (result, _) = block_on(lie().write_all("wheel"));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Other);

    let lie = || Scripted::new(b"wheel", &[Act::Lie(9)]);
    let (result, _) = block_on(lie().readv([Vec::with_capacity(16)]));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Other);
    let (result, _) = block_on(lie().writev(["wheel"]));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Other);
    let error = block_on(copy(&mut lie(), &mut Vec::new())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
}

#[test]
fn what_a_reader_initialised_but_did_not_report_is_not_appended() {
    /// Initialises four bytes each time, and reports two of them the first time and none after that.
    struct Sloppy(bool);
    impl AsyncRead for Sloppy {
        async fn read<B: IoBufMut>(&mut self, mut buf: B) -> BufResult<usize, B> {
            buf.fill_from(b"wh??");
            let first = std::mem::replace(&mut self.0, false);
            (Ok(if first { 2 } else { 0 }), buf)
        }
    }
    let (result, buf) = block_on(Sloppy(true).read_to_end(b"a ".to_vec()));
    assert_eq!(result.unwrap(), 2);
    assert_eq!(buf, b"a wh");
}

#[test]
fn a_long_list_is_moved_as_far_as_one_copy_goes() {
    let long = vec![7u8; 50_000];
    let mut writer = Vec::new();
    let mut only_write = Scripted::default();
    let (result, list) = block_on(only_write.writev([long.clone(), long.clone()]));
    assert_eq!(result.unwrap(), 65_536);
    assert_eq!(only_write.data.len(), 65_536);

    let (result, _) = block_on(writer.writev(list));
    assert_eq!(result.unwrap(), 100_000, "a vector has a way of its own");
}

#[test]
fn slices_come_back_as_the_caller_lent_them() {
    let mut reader: &[u8] = b"a wheel";
    let part: Slice<Vec<u8>> = block_on(reader.read_exact(vec![0u8; 9].slice(2..4))).1;
    assert_eq!((part.begin(), part.end()), (2, 4));
    assert_eq!(part.into_inner(), b"\0\0a \0\0\0\0\0");
}
