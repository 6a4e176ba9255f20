//! The laws of the table, on completions written by hand.

use super::super::Yields;
use super::*;
use crate::fd::Kind;
use crate::kernel::KernelFd;
use crate::kernel::abi::{CQE_F_BUFFER, CQE_F_MORE, CQE_F_SOCK_NONEMPTY};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Nothing;

impl Orphan for Nothing {
    fn settle(&mut self, _: &mut Completion) -> Option<super::super::leftover::Leftover> {
        None
    }
}

fn insert(table: &mut Table, yields: Yields) -> Tag {
    let waker = Waker::from(Arc::new(Count::default()));
    table
        .insert(0, Holds::none(), Adopts::new(yields, 0), None, waker)
        .expect("there is room")
}

fn cqe(tag: Tag, res: i32, flags: u32) -> Cqe {
    Cqe {
        user_data: tag.0,
        res,
        flags,
    }
}

/// The descriptor that a completion carries.
fn number(done: &Completion) -> Option<RawFd> {
    done.loaded()?.fd.as_ref().map(AsRawFd::as_raw_fd)
}

fn take(table: &mut Table, tag: Tag) -> Option<Completion> {
    match table.poll(tag, Waker::noop()) {
        Polled::Ready(done) => Some(done),
        _ => None,
    }
}

#[test]
fn the_next_op_of_a_slot_was_not_let_go_though_the_last_one_was() {
    let mut table = Table::default();
    let first = insert(&mut table, Yields::Nothing);
    table.detach(first);
    table.complete(cqe(first, 0, 0), None);
    assert!(take(&mut table, first).is_some());
    let next = insert(&mut table, Yields::Nothing);
    assert_eq!(next.index(), first.index());
    assert!(!table.is_detached(next));
}

#[test]
fn a_result_waits_for_its_future_and_is_taken_once() {
    let mut table = Table::default();
    let tag = insert(&mut table, Yields::Nothing);
    assert!(take(&mut table, tag).is_none());
    assert!(matches!(
        table.complete(cqe(tag, 5, 0), None),
        Decision::Wake(Some(_), _)
    ));
    assert_eq!(table.in_flight(), 0);
    assert_eq!(
        take(&mut table, tag).and_then(|done| done.result().ok()),
        Some(5)
    );
    assert!(matches!(table.poll(tag, Waker::noop()), Polled::Gone));
}

#[test]
fn a_completion_of_an_older_generation_is_counted_and_never_trusted() {
    let mut table = Table::default();
    let old = insert(&mut table, Yields::Nothing);
    table.complete(cqe(old, 1, 0), None);
    assert!(take(&mut table, old).is_some());
    let new = insert(&mut table, Yields::Nothing);
    assert_eq!(new.index(), old.index(), "the slot is used again");
    assert!(matches!(
        table.complete(cqe(old, 2, 0), None),
        Decision::Nothing
    ));
    assert!(
        !table.cancel_once(old),
        "nor does a late cancel of the old one hit the new one"
    );
    assert_eq!((table.counts.stale, table.in_flight()), (1, 1));
    table.complete(cqe(new, 3, 0), None);
    table.complete(cqe(new, 4, 0), None);
    assert_eq!(
        table.counts.stale, 2,
        "a second final completion is stale, too"
    );
    assert_eq!(
        take(&mut table, new).and_then(|done| done.result().ok()),
        Some(3)
    );
}

#[test]
#[cfg(target_pointer_width = "64")]
fn an_entry_is_a_line_of_the_caches() {
    assert_eq!((size_of::<Entry>(), align_of::<Entry>()), (64, 64));
}

#[test]
fn a_result_of_more_than_its_buffer_holds_stays_what_it_was() {
    let mut table = Table::default();
    let tag = insert(&mut table, Yields::Nothing);
    table.complete(cqe(tag, 5, 0), Some(PooledBuf::alone(vec![1, 2, 3])));
    let mut done = take(&mut table, tag).expect("it has ended");
    assert_eq!(done.result().ok(), Some(5));
    assert_eq!(done.take_buf().as_deref(), Some(&[1, 2, 3][..]));
}

#[test]
fn index_and_generation_share_the_tag() {
    let tag = Tag::new(0x65_4321, 0x9876_5432);
    assert_eq!(tag.index(), 0x65_4321);
    assert_eq!(tag.index32(), 0x65_4321);
    assert_eq!(tag.generation(), 0x9876_5432);
}

#[test]
fn a_cancel_is_asked_for_once_and_counted_as_often_as_it_is_pushed() {
    let mut table = Table::default();
    let idle = insert(&mut table, Yields::Nothing);
    let tag = insert(&mut table, Yields::Nothing);
    assert_eq!(table.times_asked(tag), Some(0));
    assert!(table.asked_of(tag.index32()).is_none(), "nobody has asked");
    assert!(table.cancel_once(tag));
    assert!(!table.cancel_once(tag));
    assert_eq!(table.times_asked(tag), Some(1));
    assert!(table.count_asked(tag));
    assert_eq!(table.times_asked(tag), Some(2));
    assert_eq!(table.asked_of(tag.index32()), Some(tag));
    assert_eq!(table.times_asked(idle), Some(0), "each for itself");
    assert!(table.asked_of(99).is_none());
    table.complete(cqe(tag, 0, 0), None);
    assert!(!table.count_asked(tag) && !table.cancel_once(tag));
    assert!(table.asked_of(tag.index32()).is_none(), "it has ended");
}

#[test]
fn what_an_op_was_not_told_of_can_be_taken_before_its_end() {
    let mut table = Table::default();
    let tag = insert(&mut table, Yields::Nothing);
    for res in [1, 2] {
        table.complete(cqe(tag, res, CQE_F_MORE), None);
    }
    let told: Vec<_> = table.take_more(tag);
    let told: Vec<_> = told.iter().map(|done| done.result().ok()).collect();
    assert_eq!(told, [Some(1), Some(2)]);
    assert!(matches!(table.poll(tag, Waker::noop()), Polled::OtherWaker));
}

#[test]
fn whoever_waits_is_the_last_that_said_so() {
    let mut table = Table::default();
    let tag = insert(&mut table, Yields::Nothing);
    let (old, new) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let (mine, theirs) = (Waker::from(old), Waker::from(new.clone()));
    assert!(table.set_waker(tag, mine.clone()).is_some());
    assert!(matches!(table.poll(tag, &mine), Polled::Pending));
    assert!(matches!(table.poll(tag, &theirs), Polled::OtherWaker));
    let before = table.set_waker(tag, theirs).expect("who waited before");
    assert!(before.will_wake(&mine));
    let taken = table.take_wakers();
    assert_eq!(taken.len(), 1);
    taken[0].wake_by_ref();
    assert_eq!(new.0.load(Ordering::Relaxed), 1);
    assert!(table.take_wakers().is_empty());
}

#[test]
fn results_that_nobody_took_are_listed_and_emptied() {
    let mut table = Table::default();
    let open = |table: &mut Table| {
        let fd = std::fs::File::open("/dev/null").expect("/dev/null is there");
        let tag = insert(table, Yields::Descriptor(Kind::File));
        (tag, fd.into_raw_fd())
    };
    let (done, fd) = open(&mut table);
    let flying = insert(&mut table, Yields::Nothing);
    assert!(table.may_yield(done) && !table.may_yield(flying));
    table.complete(cqe(done, fd, 0), None);
    assert_eq!(table.adopted(), [(fd, Kind::File)]);
    let live: Vec<_> = table.live().map(|(tag, ..)| tag).collect();
    assert_eq!(live, [flying]);
    let all = table.take_done();
    assert_eq!(all.len(), 1);
    assert_eq!(number(&all[0]), Some(fd));
    assert!(table.adopted().is_empty());
    assert!(matches!(table.poll(done, Waker::noop()), Polled::Gone));
    assert_eq!(table.in_flight(), 1);
}

#[test]
fn a_slot_whose_generations_are_spent_is_never_used_again() {
    let mut table = Table::default();
    let first = insert(&mut table, Yields::Nothing);
    table.complete(cqe(first, 0, 0), None);
    take(&mut table, first);
    table.slots[first.index()].generation = LAST_GENERATION - 1;
    let last = insert(&mut table, Yields::Nothing);
    assert_eq!(last.index(), first.index());
    table.complete(cqe(last, 0, 0), None);
    assert!(take(&mut table, last).is_some());
    let next = insert(&mut table, Yields::Nothing);
    assert_ne!(next.index(), first.index());
}

#[test]
fn memory_comes_back_only_when_no_more_is_promised() {
    let mut table = Table::default();
    let tag = insert(&mut table, Yields::Nothing);
    let more = CQE_F_MORE;
    assert!(matches!(
        table.complete(cqe(tag, -libc::EINVAL, more), None),
        Decision::Wake(Some(_), _)
    ));
    assert_eq!(table.in_flight(), 1, "an error with F_MORE is not the end");
    assert!(matches!(
        table.complete(cqe(tag, 7, more), None),
        Decision::Wake(None, _)
    ));
    assert!(matches!(
        table.complete(cqe(tag, 0, 0), None),
        Decision::Wake(..)
    ));
    assert_eq!(table.in_flight(), 0);
    assert!(table.take_bare(tag).is_none(), "there is more to tell");
    assert!(table.take_ended(tag).is_none(), "there is more to tell");
    let Polled::More(early) = table.poll(tag, Waker::noop()) else {
        panic!("what came first is told first");
    };
    let told: Vec<i32> = early.iter().map(Completion::errno).collect();
    assert_eq!(told, [libc::EINVAL, 0]);
    let last = table.take_ended(tag).expect("and then the last");
    assert_eq!(last.result().ok(), Some(0));
    assert!(table.take_ended(tag).is_none(), "once");
}

#[test]
fn a_buffer_is_kept_beside_the_numbers_of_its_receive_and_taken_by_one_look() {
    let mut table = Table::default();
    let brought = || Some(PooledBuf::alone(b"hub".to_vec()));
    let tag = insert(&mut table, Yields::Nothing);
    let woken = table.complete_filled(cqe(tag, 3, CQE_F_BUFFER), brought);
    assert!(woken.is_some_and(|woken| woken.waker.is_some()));
    assert_eq!((table.in_flight(), table.counts.completed), (0, 1));
    assert!(table.take_bare(tag).is_none(), "it is not only numbers");
    let (bare, buf) = table.take_filled(tag).expect("it is there");
    assert_eq!((bare.res, &*buf), (3, &b"hub"[..]));
    assert!(table.take_filled(tag).is_none(), "once");

    let tag = insert(&mut table, Yields::Nothing);
    table.complete_filled(cqe(tag, 3, CQE_F_BUFFER), brought);
    let mut done = take(&mut table, tag).expect("whoever does not know of it gets it, too");
    assert_eq!(done.take_buf().as_deref(), Some(&b"hub"[..]));
    assert!(done.loaded().is_none(), "nothing is left in it");
    let fd = std::fs::File::open("/dev/null").expect("/dev/null is there");
    let mut both = Completion::opened(KernelFd::adopt(fd.into_raw_fd()), 0);
    both.load().buf = brought();
    assert!(both.take_buf().is_some() && number(&both).is_some());

    let tag = insert(&mut table, Yields::Nothing);
    table.complete_filled(cqe(tag, 0, CQE_F_BUFFER), || None);
    assert!(table.take_filled(tag).is_none(), "nothing was put there");
    assert_eq!(table.take_bare(tag).map(|bare| bare.res), Some(0));
}

#[test]
fn a_descriptor_is_kept_beside_the_flags_of_its_op_and_taken_by_one_look() {
    let mut table = Table::default();
    let insert = |table: &mut Table| insert(table, Yields::Descriptor(Kind::File));
    let brought = || {
        let fd = std::fs::File::open("/dev/null").expect("/dev/null is there");
        fd.into_raw_fd()
    };
    let tag = insert(&mut table);
    let (raw, more) = (brought(), CQE_F_SOCK_NONEMPTY);
    let arrived = cqe(tag, raw, more);
    assert!(
        table.complete_bare(arrived).is_none(),
        "it is not only numbers"
    );
    let woken = table.complete_opened(arrived);
    assert!(woken.is_some_and(|woken| woken.waker.is_some()));
    assert_eq!((table.in_flight(), table.counts.completed), (0, 1));
    assert_eq!(table.adopted(), [(raw, Kind::File)]);
    assert!(table.take_bare(tag).is_none());
    let (fd, flags) = table.take_opened(tag).expect("it is there");
    assert_eq!((fd.raw(), flags), (raw, more));
    assert!(table.take_opened(tag).is_none(), "once");

    let tag = insert(&mut table);
    let raw = brought();
    table.complete_opened(cqe(tag, raw, more));
    let done = take(&mut table, tag).expect("whoever does not know of it gets it, too");
    assert_eq!((number(&done), done.flags()), (Some(raw), more));

    let tag = insert(&mut table);
    let failed = cqe(tag, -libc::ENOENT, 0);
    assert!(
        table.complete_opened(failed).is_none(),
        "it has brought none"
    );
    assert!(table.complete_bare(failed).is_some());
    assert!(table.take_opened(tag).is_none());

    let tag = insert(&mut table);
    let early = cqe(tag, brought(), CQE_F_MORE);
    assert!(table.complete_opened(early).is_none(), "one of several");
    table.complete(early, None);
    assert!(table.complete_opened(cqe(tag, brought(), 0)).is_some());
    assert!(table.take_opened(tag).is_none(), "there is more to tell");
    assert_eq!(table.take_more(tag).len(), 1);
    assert!(table.take_opened(tag).is_some());
}

#[test]
fn nobody_is_asked_for_a_buffer_unless_a_future_waits_for_the_last_completion() {
    let mut table = Table::default();
    let tag = insert(&mut table, Yields::Nothing);
    let early = cqe(tag, 1, CQE_F_BUFFER | CQE_F_MORE);
    assert!(table.complete_filled(early, || panic!("asked")).is_none());
    table.complete(early, Some(PooledBuf::alone(b"h".to_vec())));
    let last = cqe(tag, 2, CQE_F_BUFFER);
    let woken = table.complete_filled(last, || Some(PooledBuf::alone(b"ub".to_vec())));
    assert!(woken.is_some());
    assert!(table.take_filled(tag).is_none(), "there is more to tell");
    assert_eq!(table.take_more(tag).len(), 1);
    assert!(table.take_filled(tag).is_some());

    let tag = insert(&mut table, Yields::Nothing);
    table.abandon(tag, None, || Box::new(Nothing));
    let last = cqe(tag, 2, CQE_F_BUFFER);
    assert!(table.complete_filled(last, || panic!("asked")).is_none());
}

#[test]
fn what_an_abandoned_op_brings_before_its_end_is_unheard_and_not_kept() {
    let mut table = Table::default();
    let tag = insert(&mut table, Yields::Nothing);
    table.abandon(tag, None, || Box::new(Nothing));
    for _ in 0..3 {
        let more = cqe(tag, 1, CQE_F_MORE);
        assert!(matches!(table.complete(more, None), Decision::Unheard(_)));
    }
    assert!(table.take_more(tag).is_empty());
    assert!(matches!(
        table.complete(cqe(tag, 0, 0), None),
        Decision::Settle(_)
    ));
}

#[test]
fn a_descriptor_is_adopted_the_moment_its_completion_is_read() {
    let mut table = Table::default();
    let fd = std::fs::File::open("/dev/null")
        .expect("/dev/null is there")
        .into_raw_fd();
    let tag = insert(&mut table, Yields::Descriptor(Kind::File));
    assert!(matches!(
        table.abandon(tag, None, || Box::new(Nothing)),
        Abandoned::InFlight(_)
    ));
    match table.complete(cqe(tag, fd, 0), None) {
        Decision::Settle(settlement) => assert_eq!(number(&settlement.done), Some(fd)),
        _ => panic!("an orphan is settled"),
    }
    let other = insert(&mut table, Yields::Nothing);
    table.complete(cqe(other, 0, 0), None);
    assert!(
        number(&take(&mut table, other).expect("it is over")).is_none(),
        "0 bytes are not descriptor 0"
    );
}

#[test]
fn the_tags_of_ops_and_the_drivers_own_never_meet() {
    let mut table = Table::default();
    assert!(insert(&mut table, Yields::Nothing).as_own().is_none());
    for own in [
        Own::Cancel(0),
        Own::Cancel(u32::MAX),
        Own::Wake,
        Own::Eventfd,
        Own::Close(0),
        Own::Close(u32::MAX),
    ] {
        assert_eq!(Tag(Tag::own(own)).as_own(), Some(own));
        assert!(matches!(
            table.complete(cqe(Tag(Tag::own(own)), 0, 0), None),
            Decision::Nothing
        ));
    }
}

#[test]
fn what_is_in_flight_when_the_table_goes_is_leaked_and_not_freed() {
    struct Freed(std::rc::Rc<std::cell::Cell<bool>>);
    impl Drop for Freed {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    impl Orphan for Freed {
        fn settle(&mut self, _: &mut Completion) -> Option<super::super::leftover::Leftover> {
            None
        }
    }
    let freed = std::rc::Rc::new(std::cell::Cell::new(false));
    let mut table = Table::default();
    let tag = insert(&mut table, Yields::Nothing);
    let orphan = Freed(freed.clone());
    table.abandon(tag, None, || Box::new(orphan));
    drop(table);
    assert!(!freed.get(), "the kernel may still write there");
}
