//! The kernels held against each other: one random program of submissions, run on each, must give the same results.
//!
//! A program is a list of [`Step`]s: submissions, cancels, and what peers do meanwhile. After each step the kernel is entered until nothing more
//! can come of it, and what has completed is written down: which submission, its result, the bytes that it brought. Two kernels
//! agree if they write down the same. Each kernel has a [`World`](world::World) of its own, made alike.
//!
//! What the man pages leave open is kept out of the programs: at most one submission waits for one direction of one descriptor (which of
//! two gets the bytes is nobody's promise), and what goes to a worker thread is awaited before the next step.

mod describe;
mod lent;
mod ops;
pub(super) mod world;

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::emulated::Emulated;
use super::uring::{Ask, Uring};
use ops::{Opens, Step};
use world::World;

/// How many programs a run of the tests tries; `SAKIA_PROGRAMS` says otherwise.
const PROGRAMS: u32 = 48;

fn flags() -> impl Strategy<Value = i32> {
    prop_oneof![
        4 => Just(0),
        1 => Just(libc::MSG_PEEK),
        1 => Just(libc::MSG_WAITALL),
        1 => Just(libc::MSG_DONTWAIT),
    ]
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..40usize, 1 => 4000..9000usize, 1 => 60_000..200_000usize]
}

fn name() -> impl Strategy<Value = u8> {
    0..4u8
}

fn on_streams() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (len(), flags()).prop_map(|(len, flags)| Step::Recv(len, flags)),
        3 => (len(), flags()).prop_map(|(len, flags)| Step::Send(len, flags & !libc::MSG_PEEK)),
        2 => (len(), len()).prop_map(|(a, b)| Step::Readv(a, b)),
        1 => (len(), len()).prop_map(|(a, b)| Step::Writev(a, b)),
        2 => len().prop_map(Step::RecvMsg),
        1 => len().prop_map(Step::SendMsg),
        3 => len().prop_map(Step::PipeRead),
        3 => len().prop_map(Step::PipeWrite),
        1 => Just(Step::CountRead),
        1 => Just(Step::CountWrite),
        1 => Just(Step::PollIn),
        1 => Just(Step::PollOut),
        2 => Just(Step::Accept),
        4 => len().prop_map(Step::PeerSends),
        3 => len().prop_map(Step::PeerReceives),
        2 => len().prop_map(Step::PeerSendsMessage),
        3 => len().prop_map(Step::PeerFeeds),
        3 => len().prop_map(Step::PeerDrains),
        2 => Just(Step::PeerConnects),
        1 => Just(Step::PeerCloses),
    ]
}

fn on_files() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (len(), 0..300u64).prop_map(|(len, at)| Step::ReadAt(len, at)),
        2 => (len(), 0..300u64).prop_map(|(len, at)| Step::WriteAt(len, at)),
        1 => any::<bool>().prop_map(Step::Sync),
        1 => (0..500u64).prop_map(Step::Truncate),
        1 => (0..500u64, 0..2000u64).prop_map(|(at, len)| Step::Allocate(at, len)),
        1 => Just(Step::Advise),
        2 => name().prop_map(Step::Statx),
        3 => (name(), prop_oneof![Just(Opens::Reads), Just(Opens::Makes), Just(Opens::MakesNew), Just(Opens::Directory)])
            .prop_map(|(name, how)| Step::Open(name, how)),
        1 => Just(Step::OpenAbove),
        1 => any::<bool>().prop_map(Step::OpenFifo),
        2 => (name(), any::<bool>()).prop_map(|(name, dir)| Step::Unlink(name, dir)),
        1 => name().prop_map(Step::MakeDir),
        1 => (name(), name()).prop_map(|(a, b)| Step::Rename(a, b)),
        1 => (name(), name()).prop_map(|(a, b)| Step::Symlink(a, b)),
        1 => (name(), name()).prop_map(|(a, b)| Step::Link(a, b)),
        1 => (0..300u64).prop_map(Step::SpliceIn),
        1 => Just(Step::Close),
    ]
}

fn on_all() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Nop),
        1 => Just(Step::Nap),
        1 => Just(Step::LongNap),
        1 => Just(Step::BadTime),
        1 => Just(Step::BadDescriptor),
        1 => Just(Step::NoSocket),
        1 => Just(Step::MakeSocket),
        5 => any::<prop::sample::Index>().prop_map(Step::Cancel),
    ]
}

fn programs() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![6 => on_streams(), 3 => on_files(), 3 => on_all()];
    prop::collection::vec(step, 1..60)
}

fn cases() -> u32 {
    std::env::var("SAKIA_PROGRAMS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(PROGRAMS)
}

#[test]
fn io_uring_and_the_emulated_kernel_give_the_same_results() {
    let ask = Ask {
        entries: 64,
        workers: [0, 0],
    };
    let uring = match Uring::new(&ask) {
        Ok(uring) => RefCell::new(uring),
        // Nothing to hold against.
        Err(error) => return println!("no io_uring here: {error}"),
    };
    let emulated = RefCell::new(Emulated::new(&ask).expect("epoll is everywhere"));
    let config = Config {
        cases: cases(),
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&programs(), |program| {
        let one = World::new().run(&mut *uring.borrow_mut(), &program);
        let other = World::new().run(&mut *emulated.borrow_mut(), &program);
        prop_assert_eq!(one, other, "left: io_uring, right: emulated");
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
