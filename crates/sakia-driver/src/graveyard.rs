//! Where rings go that would not become quiet: they are reaped again by the thread's next driver and at the thread's end.
//!
//! What the kernel may still write to is never freed before its completion was seen. At the thread's end the ring is closed (its completions
//! could never be reaped from another thread) and the memory is leaked, on purpose and counted in the report of its runtime.

use std::cell::RefCell;
use std::rc::Rc;

use crate::driver::Driver;

struct Graveyard {
    graves: RefCell<Vec<Rc<Driver>>>,
}

thread_local! {
    static GRAVEYARD: Graveyard = const { Graveyard { graves: RefCell::new(Vec::new()) } };
}

/// Takes in a driver that has ended with something in flight.
pub(crate) fn bury(driver: Rc<Driver>) {
    let mut driver = Some(driver);
    let _ = GRAVEYARD.try_with(|yard| yard.graves.borrow_mut().extend(driver.take()));
    if let Some(driver) = driver {
        // The thread is past its destructors.
        leak(driver);
    }
}

/// Looks at every grave of this thread: what has completed since is released, and a ring that has become quiet is closed.
pub(crate) fn reap() {
    let graves = GRAVEYARD.try_with(|yard| std::mem::take(&mut *yard.graves.borrow_mut()));
    for driver in graves.unwrap_or_default() {
        if driver.is_forked() {
            // The ring is the parent's, and so is what it was lent.
            std::mem::forget(driver);
            continue;
        }
        driver.reap_grave();
        if driver.is_quiet() {
            driver.close_ring();
        } else {
            bury(driver);
        }
    }
}

/// How many rings wait in this thread's graveyard.
pub fn graves() -> usize {
    GRAVEYARD
        .try_with(|yard| yard.graves.borrow().len())
        .unwrap_or(0)
}

fn leak(driver: Rc<Driver>) {
    driver.close_ring();
    std::mem::forget(driver);
}

impl Drop for Graveyard {
    fn drop(&mut self) {
        for driver in self.graves.take() {
            if driver.is_forked() {
                std::mem::forget(driver);
                continue;
            }
            driver.reap_grave();
            if driver.is_quiet() {
                driver.close_ring();
            } else {
                leak(driver);
            }
        }
    }
}
