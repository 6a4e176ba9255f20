//! What the record of a descriptor takes, and that one after another has it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Wake;

use super::*;
use crate::Config;
use crate::kernel::abi::CQE_F_SOCK_NONEMPTY;

/// With the two counts of its `Rc` and the header of malloc's it is just within a class; one word more takes sixteen bytes more.
#[cfg(all(not(feature = "track-origin"), target_pointer_width = "64"))]
#[test]
fn an_idle_descriptor_takes_a_hundred_and_four_bytes() {
    assert_eq!(size_of::<Descriptor>(), 104);
}

fn null() -> OwnedFd {
    File::open("/dev/null").expect("it is there").into()
}

#[test]
fn the_record_of_a_descriptor_that_has_ended_serves_the_next_one_and_remembers_nothing() {
    let driver = Driver::new(&Config::default()).expect("a ring");
    driver.within(|| {
        let first = Fd::new(null(), Kind::TcpStream).expect("a driver");
        let record = Rc::as_ptr(first.inner());
        first.came_from_outside();
        let known = first.inner();
        known.note_answers(true);
        known.places.set(Some(false));
        known.served.set(Some(true));
        known.fin.set(true);
        known.lane(Side::In).note_more(CQE_F_SOCK_NONEMPTY);
        known.lane(Side::In).note_room(1);
        assert!(known.lane(Side::In).is_hot());
        first.inner().handles.set(2);
        drop(Fd {
            inner: first.inner().clone(),
        });
        drop(first);
        assert_eq!(driver.ledger().closed(), [(Kind::TcpStream, 1)]);

        let next = Fd::new(null(), Kind::File).expect("a driver");
        let inner = next.inner();
        assert_eq!(Rc::as_ptr(inner), record);
        assert_eq!((inner.kind(), inner.linger()), (Kind::File, Linger::Unset));
        assert_eq!((inner.answers(), inner.handles.get()), (None, 1));
        assert_eq!((inner.places.get(), inner.served.get()), (None, None));
        let more = inner.lane(Side::In).has_more();
        assert_eq!((inner.fin.get(), more), (false, false));
        inner.lane(Side::In).note_more(CQE_F_SOCK_NONEMPTY);
        assert!(!inner.lane(Side::In).is_hot(), "of how it is read");
        inner.lane(Side::In).note_more(0);
        let other = Fd::new(null(), Kind::File).expect("a driver");
        assert_ne!(Rc::as_ptr(other.inner()), record, "it is in use");
        let is_file = |info: &FdInfo| info.kind == Kind::File;
        assert_eq!(driver.fds().into_iter().filter(is_file).count(), 2);
    });
}

#[test]
fn an_op_that_lets_go_last_ends_the_descriptor_too() {
    let driver = Driver::new(&Config::default()).expect("a ring");
    driver.within(|| {
        let fd = Fd::new(null(), Kind::File).expect("a driver");
        let held = fd.inner().clone();
        drop(fd);
        assert_eq!(driver.ledger().closed(), []);
        drop(held);
        assert_eq!(driver.ledger().closed(), [(Kind::File, 1)]);
    });
}

#[test]
fn a_record_that_waits_for_the_next_descriptor_does_not_keep_its_driver() {
    let driver = Driver::new(&Config::default()).expect("a ring");
    let fd = driver.within(|| Fd::new(null(), Kind::File).expect("a driver"));
    let weak = driver.downgrade();
    drop(driver);
    drop(fd);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_waker_that_is_left_in_a_descriptor_goes_with_it() {
    struct Nobody;
    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }
    let driver = Driver::new(&Config::default()).expect("a ring");
    let waits = Arc::new(Nobody);
    let fd = driver.within(|| Fd::new(null(), Kind::File).expect("a driver"));
    fd.watch_quiet(&waits.clone().into());
    drop(fd);
    assert_eq!(Arc::strong_count(&waits), 1);
}
