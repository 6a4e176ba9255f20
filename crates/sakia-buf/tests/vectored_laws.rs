//! The laws of lists: what is visited, and how a total is spread over the buffers.
//! Single buffers and slices have files of their own.

use proptest::prelude::*;
use sakia_buf::{IoBuf, IoVecBuf, IoVecBufMut};

fn buffer() -> impl Strategy<Value = Vec<u8>> {
    (0usize..9, 0usize..9).prop_map(|(len, room)| {
        let mut buf = Vec::with_capacity(len + room);
        buf.extend((0..len).map(|i| i as u8));
        buf
    })
}

/// Copies a buffer together with its capacity, which `clone` does not keep.
fn twin(buf: &Vec<u8>) -> Vec<u8> {
    let mut twin = Vec::with_capacity(buf.capacity());
    twin.extend_from_slice(buf);
    assert_eq!(twin.capacity(), buf.capacity());
    twin
}

/// What a read of `src` has to make of the list: each buffer filled up before the next gets any, none made shorter.
fn model(list: &[Vec<u8>], src: &[u8]) -> (usize, Vec<Vec<u8>>) {
    let mut rest = src;
    let filled = list
        .iter()
        .map(|buf| {
            let (now, later) = rest.split_at(rest.len().min(buf.capacity()));
            rest = later;
            let kept = buf.get(now.len()..).unwrap_or_default();
            [now, kept].concat()
        })
        .collect();
    (src.len() - rest.len(), filled)
}

fn parts<V: IoVecBuf>(list: &V) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    list.for_each(&mut |ptr, len| parts.push((ptr as usize, len)));
    parts
}

fn gathered<V: IoVecBuf>(list: &V) -> Vec<u8> {
    let mut all = Vec::new();
    list.for_each_slice(&mut |part| all.extend_from_slice(part));
    all
}

proptest! {
    #[test]
    fn a_total_is_spread_in_order_and_no_buffer_is_made_shorter(
        list in prop::collection::vec(buffer(), 0..6),
        src in prop::collection::vec(100u8.., 0..60),
    ) {
        let expected = model(&list, &src);
        let mut boxed: Box<[Vec<u8>]> = list.iter().map(twin).collect();
        let n = boxed.fill_from(&src);
        prop_assert_eq!((n, boxed.into_vec()), expected.clone());

        let mut list = list;
        let n = list.fill_from(&src);
        prop_assert_eq!((n, list), expected);
    }

    #[test]
    fn arrays_and_tuples_spread_like_a_vec(
        (a, b, c) in (buffer(), buffer(), buffer()),
        src in prop::collection::vec(100u8.., 0..60),
    ) {
        let list = [twin(&a), twin(&b), twin(&c)];
        let (n, expected) = model(&list, &src);

        let mut array = [twin(&a), twin(&b), twin(&c)];
        prop_assert_eq!(array.fill_from(&src), n);
        prop_assert_eq!(&array[..], &expected[..]);

        let mut three = (twin(&a), twin(&b), twin(&c));
        prop_assert_eq!(three.fill_from(&src), n);
        prop_assert_eq!(&[three.0, three.1, three.2][..], &expected[..]);

        let (n, expected) = model(&list[..2], &src);
        let mut two = (a, b);
        prop_assert_eq!(two.fill_from(&src), n);
        prop_assert_eq!(&[two.0, two.1][..], &expected[..]);
    }

    #[test]
    fn a_visit_shows_each_buffer_once_in_order(list in prop::collection::vec(buffer(), 0..6)) {
        let expected: Vec<_> = list.iter().map(|buf| (buf.as_ptr() as usize, buf.len())).collect();
        prop_assert_eq!(parts(&list), expected.clone());
        prop_assert_eq!(gathered(&list), list.concat());
        prop_assert_eq!(list.total_init(), list.concat().len());
        let moved = list.into_boxed_slice();
        prop_assert_eq!(parts(&moved), expected);
    }

    #[test]
    fn a_visit_for_writing_shows_the_capacities(mut list in prop::collection::vec(buffer(), 0..6)) {
        let expected: Vec<_> = list.iter().map(|buf| (buf.as_ptr() as usize, buf.capacity())).collect();
        let mut seen = Vec::new();
        list.for_each_mut(&mut |ptr, len| seen.push((ptr as usize, len)));
        prop_assert_eq!(list.total_capacity(), seen.iter().map(|(_, len)| len).sum::<usize>());
        prop_assert_eq!(seen, expected);
    }
}

#[test]
fn a_list_may_mix_kinds_of_buffers_and_slices_of_them() {
    let list = ("a ", vec![0u8; 2].slice(..1), String::from("wheel"));
    assert_eq!(gathered(&list), b"a \0wheel");
    assert_eq!(list.total_init(), 8);

    let mut list = (Box::new([0u8; 2]), vec![9u8; 6].slice(1..4));
    assert_eq!(list.fill_from(b"a wheel"), 5);
    assert_eq!(*list.0, *b"a ");
    assert_eq!(list.1.into_inner(), [9, b'w', b'h', b'e', 9, 9]);
}

#[test]
fn buffers_that_lie_inside_an_array_keep_their_memory_when_the_array_moves() {
    let array = [vec![1u8; 3], vec![2u8; 3]];
    let before = parts(&array);
    let moved = Box::new(array);
    assert_eq!(parts(&*moved), before);
}
