//! Wakers and callbacks that re-enter the driver: no borrow is held while code of the user's runs.

use std::cell::Cell;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use sakia_driver::{Driver, Kind, Park, ops};

use crate::help::{
    Count, Odd, adopt, block_on, driver, end, on_drop, pair, poll, poll_by, tracked, turns,
};

/// How long the thread parks if nothing keeps it awake: so long that a machine that others use as well is no matter.
const PARK: Duration = Duration::from_secs(10);

/// Touches the op table, the close table and the ring, and drops a handle.
fn re_enter(driver: &Rc<Driver>) -> impl FnOnce() + 'static {
    let driver = driver.clone();
    let (fd, _) = pair(&driver);
    move || {
        let _ = driver.fds();
        let mut nop = ops::nop();
        let _ = poll(&driver, &mut nop);
        drop(nop);
        drop(fd);
    }
}

#[test]
fn a_waker_whose_drop_re_enters_may_be_dropped_with_its_op() {
    let driver = driver();
    let (ours, _peer) = pair(&driver);
    let done = on_drop(re_enter(&driver));
    let mut read = ops::recv(&ours, Vec::with_capacity(8));
    assert!(poll_by(&driver, &mut read, &Odd::waker()).is_pending());
    drop(read);
    turns(&driver, 2);
    assert!(done.get());
    drop(ours);
    end(&driver);
}

#[test]
fn a_waker_whose_drop_re_enters_may_be_replaced_in_every_place_that_keeps_one() {
    let driver = driver();
    let (ours, _peer) = pair(&driver);
    let mut orphan = ops::recv(&ours, Vec::with_capacity(8));
    let mut queued = ops::recv(&ours, Vec::with_capacity(8));
    for place in ["in flight", "in the queue", "behind an orphan"] {
        let done = on_drop(re_enter(&driver));
        let future = if place == "in flight" {
            &mut orphan
        } else {
            &mut queued
        };
        assert!(poll_by(&driver, future, &Odd::waker()).is_pending());
        assert!(poll(&driver, future).is_pending());
        assert!(done.get(), "{place}");
        if place == "in the queue" {
            drop(std::mem::replace(&mut orphan, ops::recv(&ours, Vec::new())));
        }
    }
    drop((orphan, queued, ours));
    end(&driver);
}

#[test]
fn a_waker_whose_drop_re_enters_may_wait_for_a_close() {
    for (replaced, answered) in [(true, false), (false, false), (false, true)] {
        let driver = driver();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = adopt(&driver, client, Kind::TcpStream);
        ours.set_linger(Some(1)).unwrap();
        let done = on_drop(re_enter(&driver));
        let mut close = sakia_driver::close(ours);
        assert!(poll_by(&driver, &mut close, &Odd::waker()).is_pending());
        if replaced {
            let _ = poll(&driver, &mut close);
            assert!(done.get());
        }
        if answered {
            crate::help::turn_for(&driver, Duration::from_millis(50));
        }
        drop(close);
        assert!(done.get());
        end(&driver);
    }
}

#[test]
fn the_look_before_parking_may_use_the_driver() {
    let driver = driver();
    let (ours, _peer) = pair(&driver);
    let mut ours = Some(ours);
    let inner = driver.clone();
    driver
        .turn(Park::For(Duration::from_millis(1)), || {
            let _ = inner.fds();
            ours.take();
            false
        })
        .unwrap();
    assert!(ours.is_none());
    end(&driver);
}

#[test]
fn what_the_look_before_parking_completes_keeps_the_thread_awake() {
    let driver = driver();
    let (ours, _peer) = pair(&driver);
    let count = Count::new(None);
    let mut close_me = Some(ours.clone());
    let mut orphan = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&driver, &mut orphan).is_pending());
    drop(orphan);
    drop(ours);
    // Pushed, and handed over by the inner turn that the drop in the look makes.
    let mut nop = ops::nop();
    assert!(poll_by(&driver, &mut nop, &std::task::Waker::from(count.clone())).is_pending());
    let start = std::time::Instant::now();
    driver
        .turn(Park::For(PARK), || {
            close_me.take();
            false
        })
        .unwrap();
    assert!(
        count.wakes() > 0 && start.elapsed() < PARK / 2,
        "{} wakes, {:?}",
        count.wakes(),
        start.elapsed()
    );
    drop(nop);
    end(&driver);
}

#[test]
fn a_wake_alone_or_a_release_alone_that_the_look_before_parking_leaves_keeps_the_thread_awake() {
    for wake in [true, false] {
        let driver = driver();
        let (ours, _peer) = pair(&driver);
        let drops = Rc::new(Cell::new(0));
        let buf = tracked(Vec::with_capacity(4), &drops);
        let mut read = ops::recv(&ours, buf);
        assert!(poll(&driver, &mut read).is_pending());
        let count = Count::new(None);
        let mut nop = ops::nop();
        if wake {
            // The future outlives the handle, so that nothing is released.
            assert!(poll_by(&driver, &mut nop, &count.clone().into()).is_pending());
        }
        let mut read = Some(read).filter(|_| wake);
        let mut close_me = Some(ours);
        let start = std::time::Instant::now();
        driver
            .turn(Park::For(PARK), || {
                close_me.take();
                false
            })
            .unwrap();
        assert!(start.elapsed() < PARK / 2, "wake: {wake}");
        assert_eq!(
            (count.wakes(), drops.get()),
            if wake { (1, 0) } else { (0, 1) }
        );
        read.take();
        drop(nop);
        end(&driver);
    }
}

#[test]
fn a_look_before_parking_that_panics_leaves_the_driver_whole() {
    let driver = driver();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = driver.turn(Park::For(Duration::from_millis(1)), || {
            std::panic::resume_unwind(Box::new("on purpose"))
        });
    }));
    assert!(caught.is_err());
    block_on(&driver, ops::nop()).unwrap();
    end(&driver);
}

#[test]
fn a_waker_that_panics_is_counted_and_the_others_are_woken() {
    struct Loud;
    impl std::task::Wake for Loud {
        fn wake(self: std::sync::Arc<Self>) {
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }
    let driver = driver();
    let loud = std::task::Waker::from(std::sync::Arc::new(Loud));
    let count = Count::new(None);
    let (mut one, mut two) = (ops::nop(), ops::nop());
    assert!(poll_by(&driver, &mut one, &loud).is_pending());
    assert!(poll_by(&driver, &mut two, &std::task::Waker::from(count.clone())).is_pending());
    turns(&driver, 1);
    assert_eq!(count.wakes(), 1);
    let report = driver.end(std::time::Instant::now() + Duration::from_secs(1));
    assert_eq!(report.panics, 1);
}

#[test]
fn a_future_that_is_dropped_by_a_wake_inside_a_turn_loses_nothing() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    thread_local!(static DROP: Cell<Option<Box<dyn std::any::Any>>> = const { Cell::new(None) });
    struct Dropper;
    impl std::task::Wake for Dropper {
        fn wake(self: std::sync::Arc<Self>) {
            drop(DROP.take());
        }
    }
    let waker = std::task::Waker::from(std::sync::Arc::new(Dropper));
    let mut read = ops::recv(&ours, Vec::with_capacity(2));
    assert!(poll_by(&driver, &mut read, &waker).is_pending());
    DROP.set(Some(Box::new(read)));
    std::io::Write::write_all(&mut peer, b"abc").unwrap();
    crate::help::turn_for(&driver, Duration::from_millis(5));
    assert_eq!(
        block_on(&driver, ops::recv(&ours, Vec::with_capacity(8))).1,
        b"ab"
    );
    drop(ours);
    end(&driver);
}

/// Says its name when it is woken.
struct Named(&'static str, Arc<Mutex<Vec<&'static str>>>);

impl Wake for Named {
    fn wake(self: Arc<Self>) {
        self.1.lock().expect("nobody panics").push(self.0);
    }
}

#[test]
fn who_has_read_is_woken_before_who_has_written_in_the_same_turn() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let woken = Arc::new(Mutex::new(Vec::new()));
    let waker = |name| Waker::from(Arc::new(Named(name, woken.clone())));
    peer.write_all(b"question").expect("the peer writes");
    let mut write = ops::send_all(&ours, b"answer".to_vec());
    assert!(poll_by(&driver, &mut write, &waker("writer")).is_pending());
    let mut read = ops::recv(&ours, Vec::with_capacity(8));
    assert!(poll_by(&driver, &mut read, &waker("reader")).is_pending());
    while woken.lock().expect("nobody panics").len() < 2 {
        driver.turn(Park::For(PARK), || false).expect("a turn");
    }
    let woken = woken.lock().expect("nobody panics").clone();
    assert_eq!(woken, ["reader", "writer"]);
    assert!(poll(&driver, &mut write).is_ready());
    assert!(poll(&driver, &mut read).is_ready());
    drop((read, write, ours));
    end(&driver);
}
