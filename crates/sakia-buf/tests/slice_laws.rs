//! The laws of `Slice`, held against a model that is a plain `Vec<u8>` and two numbers.
//! What a slice is used for belongs in other files.

use std::cell::Cell;
use std::ops::{Bound, RangeBounds};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use proptest::prelude::*;
use sakia_buf::{IoBuf, IoBufMut, Slice};

type Bounds = (Bound<usize>, Bound<usize>);

fn bound() -> impl Strategy<Value = Bound<usize>> {
    prop_oneof![
        4 => (0usize..24).prop_map(Bound::Included),
        4 => (0usize..24).prop_map(Bound::Excluded),
        2 => Just(Bound::Unbounded),
        1 => Just(Bound::Included(usize::MAX)),
    ]
}

/// A buffer of some capacity, a part of it initialised with bytes that tell their place.
fn buffer() -> impl Strategy<Value = Vec<u8>> {
    (0usize..20, 0usize..20).prop_map(|(len, room)| {
        let mut buf = Vec::with_capacity(len + room);
        buf.extend((0..len).map(|i| i as u8));
        buf
    })
}

/// What a range means for a buffer of these lengths: `None` where `slice` has to panic.
fn model(range: Bounds, init: usize, total: usize) -> Option<(usize, usize)> {
    let begin = match range.start_bound() {
        Bound::Included(n) => *n,
        Bound::Excluded(n) => n.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(n) => n.checked_add(1)?,
        Bound::Excluded(n) => *n,
        Bound::Unbounded => total,
    };
    (begin <= end && begin <= init && end <= total).then_some((begin, end))
}

/// What a call gives, or what the panic says that it ends in: hundreds of them are expected, so they are not printed.
fn quietly<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                print(info);
            }
        }));
    });
    QUIET.set(true);
    let done = panic::catch_unwind(AssertUnwindSafe(call));
    QUIET.set(false);
    done.map_err(|said| said.downcast().map_or_else(|_| String::new(), |text| *text))
}

/// A slice of a buffer that has one, made of any two numbers.
fn valid(buf: Vec<u8>, a: usize, b: usize) -> Slice<Vec<u8>> {
    let begin = a % (buf.len() + 1);
    let end = begin + b % (buf.capacity() - begin + 1);
    buf.slice(begin..end)
}

proptest! {
    #[test]
    fn a_slice_exists_just_when_its_range_fits(buf in buffer(), range in (bound(), bound())) {
        let expected = model(range, buf.len(), buf.capacity());
        let got = quietly(|| buf.slice(range)).ok().map(|part| (part.begin(), part.end()));
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn a_slice_shows_the_initialised_bytes_of_its_range(buf in buffer(), a: usize, b: usize) {
        let whole = buf.clone();
        let base = buf.as_ptr() as usize;
        let part = valid(buf, a, b);
        let (begin, end) = (part.begin(), part.end());
        prop_assert_eq!(part.stable_ptr() as usize, base + begin);
        prop_assert_eq!(part.bytes_total(), end - begin);
        prop_assert_eq!(&part[..], &whole[begin..end.min(whole.len())]);
        prop_assert_eq!(part.into_inner(), whole);
    }

    #[test]
    fn a_slice_of_a_slice_is_the_slice_of_the_sum(
        buf in buffer(), a: usize, b: usize, range in (bound(), bound()),
    ) {
        let outer = valid(buf, a, b);
        let base = outer.begin();
        let expected = model(range, outer.bytes_init(), outer.bytes_total());
        let got = quietly(|| outer.slice(range)).ok();
        let got = got.map(|part: Slice<Vec<u8>>| (part.begin(), part.end()));
        prop_assert_eq!(got, expected.map(|(begin, end)| (base + begin, base + end)));
    }

    #[test]
    fn a_read_into_a_slice_changes_its_range_and_nothing_else(
        buf in buffer(), a: usize, b: usize, src in prop::collection::vec(100u8.., 0..24),
    ) {
        let mut expected = buf.clone();
        let mut part = valid(buf, a, b);
        let (begin, end) = (part.begin(), part.end());
        let n = src.len().min(end - begin);
        prop_assert_eq!(part.fill_from(&src), n);

        expected.resize(expected.len().max(begin + n), 0);
        expected[begin..begin + n].copy_from_slice(&src[..n]);
        prop_assert_eq!(&part[..], &expected[begin..end.min(expected.len())]);
        prop_assert_eq!(part.into_inner(), expected);
    }

    #[test]
    fn bytes_are_changed_in_place_through_a_slice(buf in buffer(), a: usize, b: usize) {
        let mut expected = buf.clone();
        let mut part = valid(buf, a, b);
        let (begin, end) = (part.begin(), part.end().min(expected.len()));
        part.fill(200);
        expected[begin..end].fill(200);
        prop_assert_eq!(part.into_inner(), expected);
    }

    #[test]
    fn a_slice_never_reaches_beyond_a_buffer_that_was_made_shorter(
        buf in buffer(), a: usize, b: usize, keep in 0usize..24, src in prop::collection::vec(100u8.., 0..24),
    ) {
        let mut part = valid(buf, a, b);
        let (begin, end) = (part.begin(), part.end());
        part.get_mut().truncate(keep);
        part.get_mut().shrink_to_fit();

        let (init, total) = (part.get_ref().len(), part.get_ref().capacity());
        let room = if begin > init { 0 } else { end.min(total) - begin };
        prop_assert_eq!(part.bytes_total(), room);
        prop_assert!(part.bytes_init() <= room);
        prop_assert_eq!(part.fill_from(&src), src.len().min(room));
        let grown = if room == 0 { init } else { init.max(begin + src.len().min(room)) };
        prop_assert_eq!(part.into_inner().len(), grown);
    }
}

#[test]
fn the_end_may_reach_to_the_capacity_and_the_begin_to_what_is_initialised() {
    let mut buf = Vec::with_capacity(16);
    buf.extend_from_slice(b"abc");
    let total = buf.capacity();
    let rest = buf.slice(3..);
    assert_eq!((rest.bytes_init(), rest.bytes_total()), (0, total - 3));
}

#[test]
fn a_slice_cannot_leave_a_gap_of_uninitialised_bytes() {
    let mut buf = Vec::with_capacity(16);
    buf.extend_from_slice(b"abc");
    let refused = quietly(|| buf.slice(4..)).err();
    let why = "the slice begins at 4, but only 3 bytes are initialised";
    assert_eq!(refused.as_deref(), Some(why));
}

#[test]
fn a_slice_cannot_end_after_the_capacity() {
    let refused = quietly(|| vec![0u8; 3].into_boxed_slice().slice(..4)).err();
    let why = "the slice ends at 4, but the buffer holds 3 bytes";
    assert_eq!(refused.as_deref(), Some(why));
}
