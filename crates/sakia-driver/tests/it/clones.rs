//! Wakers whose clone is code of the user's that turns the driver: what ends meanwhile must not be slept over.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use sakia_driver::{Driver, Kind, RegisteredBufs, ops};

use crate::help::{adopt, driver, end, pair, poll, poll_by, turn_for, turns};

thread_local! {
    static ON_CLONE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    static WOKEN: Cell<u32> = const { Cell::new(0) };
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop_it);

fn clone(_: *const ()) -> RawWaker {
    if let Some(action) = ON_CLONE.take() {
        action();
    }
    RawWaker::new(std::ptr::null(), &VTABLE)
}

fn wake(_: *const ()) {
    WOKEN.set(WOKEN.get() + 1);
}

fn drop_it(_: *const ()) {}

/// A waker whose next clone on this thread runs `action`.
fn on_clone(action: impl FnOnce() + 'static) -> Waker {
    ON_CLONE.set(Some(Box::new(action)));
    WOKEN.set(0);
    // SAFETY: the functions touch no data but thread-locals, and the waker stays on the test's thread.
    unsafe { Waker::new(std::ptr::null(), &VTABLE) }
}

/// Ready, or woken since: either way nobody sleeps over it.
fn learns<T>(polled: &Poll<T>) -> bool {
    polled.is_ready() || WOKEN.get() > 0
}

fn turning(driver: &Rc<Driver>) -> impl FnOnce() + 'static {
    let driver = driver.clone();
    move || turns(&driver, 3)
}

#[test]
fn an_op_that_ends_while_its_waker_is_cloned_is_not_slept_over() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(8));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    peer.write_all(b"here").unwrap();
    let polled = poll_by(&driver, &mut read, &on_clone(turning(&driver)));
    turns(&driver, 3);
    assert!(
        learns(&polled),
        "the op ended, and its future waits for ever"
    );
    drop((read, ours));
    end(&driver);
}

#[test]
fn a_lane_that_becomes_free_while_a_waker_is_cloned_is_not_slept_over() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut first = ops::recv(&ours, Vec::with_capacity(4));
    let mut second = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&driver, &mut first).is_pending());
    turns(&driver, 1);
    peer.write_all(b"herethere").unwrap();
    let (inner, first) = (driver.clone(), RefCell::new(first));
    let waker = on_clone(move || {
        turns(&inner, 3);
        assert!(poll(&inner, &mut *first.borrow_mut()).is_ready());
    });
    let polled = poll_by(&driver, &mut second, &waker);
    turns(&driver, 3);
    assert!(
        learns(&polled),
        "the lane is free, and its next waits for ever"
    );
    drop((second, ours));
    end(&driver);
}

#[test]
fn an_orphan_that_ends_while_a_waker_is_cloned_is_not_slept_over() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut orphan = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&driver, &mut orphan).is_pending());
    drop(orphan);
    peer.write_all(b"here").unwrap();
    let mut next = ops::recv(&ours, Vec::with_capacity(4));
    let polled = poll_by(&driver, &mut next, &on_clone(turning(&driver)));
    turns(&driver, 3);
    assert!(
        learns(&polled),
        "the leftover is there, and its reader waits for ever"
    );
    drop((next, ours));
    end(&driver);
}

#[test]
fn a_close_that_ends_while_a_waker_is_cloned_is_not_slept_over() {
    let driver = driver();
    let own = driver.fds().len();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ours = adopt(&driver, client, Kind::TcpStream);
    ours.set_linger(Some(1)).unwrap();
    let mut close = sakia_driver::close(ours);
    assert!(poll(&driver, &mut close).is_pending());
    let inner = driver.clone();
    let waker = on_clone(move || {
        while inner.fds().len() > own {
            turn_for(&inner, Duration::from_millis(2));
        }
    });
    let polled = poll_by(&driver, &mut close, &waker);
    turns(&driver, 3);
    assert!(
        learns(&polled),
        "the close ended, and its future waits for ever"
    );
    drop(close);
    end(&driver);
}

#[test]
fn a_close_that_waits_for_an_op_which_ends_while_a_waker_is_cloned_is_not_slept_over() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    let mut close = sakia_driver::close(ours);
    let inner = driver.clone();
    let waker = on_clone(move || {
        peer.write_all(b"here").unwrap();
        turns(&inner, 3);
        assert!(poll(&inner, &mut read).is_ready());
    });
    let polled = poll_by(&driver, &mut close, &waker);
    turns(&driver, 3);
    assert!(
        learns(&polled),
        "nothing names the descriptor, and its close waits for ever"
    );
    drop(close);
    end(&driver);
}

#[test]
fn an_op_whose_driver_ends_while_its_waker_is_cloned_is_told_that() {
    let driver = driver();
    let mut nop = driver.within(ops::nop);
    let inner = driver.clone();
    let waker = on_clone(move || drop(end(&inner)));
    let Poll::Ready(Err(error)) = poll_by(&driver, &mut nop, &waker) else {
        panic!("there is no ring that it could wait for");
    };
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
}

#[test]
fn a_buffer_that_comes_home_while_a_waker_is_cloned_is_not_slept_over() {
    let driver = driver();
    let bufs = driver.within(|| RegisteredBufs::new(1, 8)).unwrap();
    let mut taking = bufs.take();
    let free = poll_by(&driver, &mut taking, &on_clone(|| panic!("one is free")));
    let Poll::Ready(only) = free else {
        panic!("one is free")
    };
    drop(ON_CLONE.take());
    let mut taking = bufs.take();
    let waker = on_clone(move || drop(only));
    let polled = poll_by(&driver, &mut taking, &waker);
    assert!(
        learns(&polled),
        "the buffer is there, and its future waits for ever"
    );
    // One that waits already.
    let mut waiting = bufs.take();
    assert!(poll(&driver, &mut waiting).is_pending());
    let waker = on_clone(move || drop(polled));
    let polled = poll_by(&driver, &mut waiting, &waker);
    assert!(learns(&polled), "the same for one that waits already");
    drop((polled, taking, waiting, bufs));
    end(&driver);
}
