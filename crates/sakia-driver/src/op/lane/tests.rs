//! Whose turn it is, and what is served from what was kept.

use super::super::leftover::Bytes;
use super::*;

fn hold(lane: &Lane, pass: &mut Pass) -> bool {
    lane.poll_hold(pass, &mut Context::from_waker(Waker::noop()))
        .is_ready()
}

/// Whether somebody is woken by it.
fn leave(lane: &Lane, pass: &mut Pass) -> bool {
    drop(lane.leave(pass));
    matches!(lane.next(), Next::Wake(Some(_)))
}

#[test]
fn holders_take_turns_in_the_order_in_which_they_came() {
    let lane = Lane::default();
    let mut passes = [Pass::Fresh; 3];
    assert!(hold(&lane, &mut passes[0]));
    assert!(!hold(&lane, &mut passes[1]));
    assert!(!hold(&lane, &mut passes[2]));
    assert!(leave(&lane, &mut passes[0]), "the next is woken");
    let mut late = Pass::Fresh;
    assert!(
        !hold(&lane, &mut late),
        "who comes now queues behind those who wait"
    );
    assert!(!hold(&lane, &mut passes[2]));
    assert!(hold(&lane, &mut passes[1]));
}

#[test]
fn a_waiter_that_was_woken_and_goes_passes_the_lane_on() {
    let lane = Lane::default();
    let mut passes = [Pass::Fresh; 3];
    assert!(hold(&lane, &mut passes[0]));
    assert!(!hold(&lane, &mut passes[1]));
    assert!(!hold(&lane, &mut passes[2]));
    assert!(leave(&lane, &mut passes[0]));
    assert!(
        leave(&lane, &mut passes[1]),
        "the one behind it is woken in its place"
    );
    assert!(hold(&lane, &mut passes[2]));
    assert!(!leave(&lane, &mut passes[2]));
    assert!(lane.cold.borrow().is_none(), "an idle lane keeps nothing");
}

#[test]
fn bytes_are_served_in_order_and_in_pieces_then_the_end() {
    let lane = Lane::default();
    lane.keep(Leftover::Bytes(Bytes::new(b"abc".to_vec())));
    lane.keep(Leftover::End);
    let mut got = Vec::new();
    let mut serve = |peek, most: usize| {
        let served = lane.serve_bytes(peek, |bytes| {
            let n = bytes.len().min(most);
            got.extend_from_slice(&bytes[..n]);
            n
        });
        served.map(|result| result.expect("no error was kept"))
    };
    assert_eq!(serve(true, 3), Some(3));
    assert_eq!(serve(false, 2), Some(2));
    assert_eq!(serve(false, 2), Some(1));
    assert_eq!(serve(false, 2), Some(0));
    assert_eq!(serve(false, 2), None);
    assert_eq!(got, b"abcabc", "a peek leaves them");
}
