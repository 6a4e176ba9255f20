//! Signals: nobody's handler is stolen, and a chain of handlers is no circle.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sakia_driver::signal;

use crate::help::{alone, block_on, driver, end, poll, turns};

static EARLIER: AtomicUsize = AtomicUsize::new(0);
static LATER: AtomicUsize = AtomicUsize::new(0);
static BELOW: AtomicUsize = AtomicUsize::new(0);

extern "C" fn earlier(_: i32) {
    EARLIER.fetch_add(1, Ordering::SeqCst);
}

/// A handler as other libraries install them: it calls what stood there before.
extern "C" fn later(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    LATER.fetch_add(1, Ordering::SeqCst);
    let below = BELOW.load(Ordering::SeqCst);
    // SAFETY: it is what sigaction said stood there before, a function of three arguments.
    unsafe {
        std::mem::transmute::<usize, extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void)>(
            below,
        )(number, info, context)
    };
}

fn install(handler: usize, flags: i32) -> usize {
    // SAFETY: sigaction is made of integers; both structs are ours for the call.
    unsafe {
        let (mut new, mut old): (libc::sigaction, libc::sigaction) = std::mem::zeroed();
        new.sa_sigaction = handler;
        new.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGINT, &new, &mut old), 0);
        old.sa_sigaction
    }
}

fn raise() {
    // SAFETY: raise sends the signal to this thread; a handler stands.
    assert_eq!(unsafe { libc::raise(libc::SIGINT) }, 0);
}

#[test]
fn an_earlier_handler_is_called_as_well_and_put_back() {
    alone(|| {
        let function: extern "C" fn(i32) = earlier;
        install(function as usize, 0);
        let driver = driver();
        let (mut one, mut two) = (signal::ctrl_c(), signal::ctrl_c());
        assert!(poll(&driver, &mut one).is_pending() && poll(&driver, &mut two).is_pending());
        turns(&driver, 1);
        raise();
        assert_eq!(EARLIER.load(Ordering::SeqCst), 1);
        block_on(&driver, one).unwrap();
        block_on(&driver, two).unwrap();
        assert_eq!(install(function as usize, 0), function as usize, "put back");
        end(&driver);
    });
}

#[test]
fn an_ignored_signal_is_heard_while_somebody_listens_and_ignored_again() {
    alone(|| {
        install(libc::SIG_IGN, 0);
        let driver = driver();
        let mut wait = signal::ctrl_c();
        assert!(poll(&driver, &mut wait).is_pending());
        raise();
        block_on(&driver, wait).unwrap();
        raise();
        assert_eq!(install(libc::SIG_IGN, 0), libc::SIG_IGN);
        end(&driver);
    });
}

#[test]
fn a_handler_that_came_later_and_calls_ours_makes_no_circle() {
    alone(|| {
        let first: extern "C" fn(i32) = earlier;
        install(first as usize, 0);
        let driver = driver();
        let mut wait = signal::ctrl_c();
        assert!(poll(&driver, &mut wait).is_pending());
        let function: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = later;
        BELOW.store(
            install(function as usize, libc::SA_SIGINFO),
            Ordering::SeqCst,
        );
        drop(wait);
        // Ours stands below theirs. Listening once more must not put it above as well.
        let mut wait = signal::ctrl_c();
        assert!(poll(&driver, &mut wait).is_pending());
        raise();
        assert_eq!(
            (LATER.load(Ordering::SeqCst), EARLIER.load(Ordering::SeqCst)),
            (1, 1)
        );
        block_on(&driver, wait).unwrap();
        end(&driver);
    });
}

#[test]
fn listeners_come_and_go_while_signals_arrive_on_another_thread() {
    alone(|| {
        let function: extern "C" fn(i32) = earlier;
        install(function as usize, 0);
        let stop = std::sync::Arc::new(AtomicUsize::new(0));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            while flag.load(Ordering::SeqCst) == 0 {
                raise();
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        let driver = driver();
        for round in 0..300 {
            let mut wait = signal::ctrl_c();
            if poll(&driver, &mut wait).is_pending() && round % 3 == 0 {
                block_on(&driver, wait).unwrap();
            }
        }
        stop.store(1, Ordering::SeqCst);
        thread.join().unwrap();
        end(&driver);
    });
}
