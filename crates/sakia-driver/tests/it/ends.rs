//! After the end, before the beginning, and in the wrong runtime: an error, never a hang and never a stranger's descriptor.

use std::io::Read;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use sakia_driver::{Driver, Park, ops};

use crate::help::{block_on, driver, end, pair, poll, turns};

#[test]
fn a_future_first_polled_after_the_end_gives_its_buffer_back_with_an_error() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut early = ops::recv(&ours, vec![1u8, 2, 3]);
    let mut late = ops::recv(&ours, vec![4u8]);
    assert!(poll(&driver, &mut early).is_pending());
    end(&driver);
    for (read, expected) in [(&mut early, &[1u8, 2, 3][..]), (&mut late, &[4])] {
        let Poll::Ready((result, buf)) = poll(&driver, read) else {
            panic!("it has ended")
        };
        assert_eq!(
            (result.unwrap_err().kind(), &buf[..]),
            (std::io::ErrorKind::BrokenPipe, expected)
        );
    }
    assert!(driver.turn(Park::No, || false).is_err());
    assert_eq!(
        end(&driver).ops_completed,
        0,
        "a second end has nothing to tell"
    );
    drop((early, late, ours));
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_handle_is_refused_in_a_foreign_driver_and_outside_of_any() {
    let (one, two) = (driver(), driver());
    let (ours, mut peer) = pair(&one);
    let mut read = ops::recv(&ours, vec![7u8; 4]);
    let Poll::Ready((result, buf)) = poll(&two, &mut read) else {
        panic!("refused at the first poll")
    };
    assert_eq!(
        (result.unwrap_err().kind(), buf),
        (std::io::ErrorKind::Other, vec![7u8; 4])
    );
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut read = std::pin::pin!(ops::read_at(&ours, vec![7u8; 4], 0));
    assert!(std::future::Future::poll(read.as_mut(), &mut cx).is_ready());
    // A refused future gives its place in the lane up.
    let mut first = ops::recv(&ours, Vec::with_capacity(4));
    let mut second = ops::recv(&ours, Vec::with_capacity(4));
    let third = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&one, &mut first).is_pending() && poll(&one, &mut second).is_pending());
    assert!(poll(&two, &mut second).is_ready());
    std::io::Write::write_all(&mut peer, b"ab").unwrap();
    drop(first);
    assert_eq!(block_on(&one, third).1, b"ab");
    drop(ours);
    end(&one);
    end(&two);
}

#[test]
fn a_runtime_lives_inside_anothers_task() {
    let outer = driver();
    block_on(&outer, async {
        let inner = driver();
        block_on(&inner, ops::nop()).unwrap();
        end(&inner);
        ops::nop().await.unwrap();
        assert!(Rc::ptr_eq(&Driver::current().unwrap(), &outer));
    });
    end(&outer);
}

#[test]
fn a_driver_that_is_dropped_without_an_end_leaves_wakers_harmless() {
    let driver = driver();
    let unparker = driver.unparker();
    let mut nop = ops::nop();
    assert!(poll(&driver, &mut nop).is_pending());
    drop(nop);
    drop(driver);
    unparker.unpark();
}

#[test]
fn an_end_inside_a_wake_of_a_turn_is_sound() {
    struct End(std::thread::ThreadId);
    thread_local!(static DRIVER: std::cell::RefCell<Option<Rc<Driver>>> = const { std::cell::RefCell::new(None) });
    impl std::task::Wake for End {
        fn wake(self: std::sync::Arc<Self>) {
            assert_eq!(self.0, std::thread::current().id());
            if let Some(driver) = DRIVER.take() {
                driver.end(Instant::now() + Duration::from_secs(1));
            }
        }
    }
    let driver = driver();
    DRIVER.set(Some(driver.clone()));
    let waker = std::task::Waker::from(std::sync::Arc::new(End(std::thread::current().id())));
    let (ours, _peer) = pair(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(1));
    assert!(poll(&driver, &mut read).is_pending());
    let mut nop = ops::nop();
    assert!(crate::help::poll_by(&driver, &mut nop, &waker).is_pending());
    turns(&driver, 1);
    assert!(
        driver.turn(Park::No, || false).is_err(),
        "ended by the wake"
    );
    assert!(poll(&driver, &mut read).is_ready());
    assert!(poll(&driver, &mut nop).is_ready());
}

#[test]
fn a_driver_in_a_thread_local_ends_with_its_thread() {
    struct Keep(Rc<Driver>, std::cell::RefCell<Option<sakia_driver::Fd>>);
    impl Drop for Keep {
        fn drop(&mut self) {
            let report = self.0.end(Instant::now() + Duration::from_secs(1));
            assert_eq!(report.ops_quarantined, 0);
            self.1.take();
        }
    }
    thread_local!(static KEEP: std::cell::OnceCell<Keep> = const { std::cell::OnceCell::new() });
    let (mut peer, there) = std::os::unix::net::UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        KEEP.with(|keep| {
            let driver = driver();
            let fd = crate::help::adopt(&driver, there, sakia_driver::Kind::UnixStream);
            let mut read = ops::recv(&fd, Vec::with_capacity(8));
            assert!(poll(&driver, &mut read).is_pending());
            let _ = keep.set(Keep(driver, std::cell::RefCell::new(Some(fd))));
        });
    })
    .join()
    .unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}
