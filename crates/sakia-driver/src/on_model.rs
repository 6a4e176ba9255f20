//! What the tests of the driver's parts need: a driver on the simulated kernel, whose trace says what was asked of it and when. No test stands here.

use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::kernel::choose::KernelChoice;
use crate::ops::{self, Opening};
use crate::{Config, Driver, Fd, Park, SimConfig, Simulation};

pub(crate) fn driver(sim: SimConfig) -> (Rc<Driver>, Simulation) {
    let config = Config {
        kernel: KernelChoice::Sim(sim),
        ..Config::default()
    };
    let driver = Driver::new(&config).expect("a model");
    let simulation = driver.simulation().expect("it was chosen");
    (driver, simulation)
}

pub(crate) fn poll<F: Future + Unpin>(
    driver: &Rc<Driver>,
    work: &mut F,
    waker: &Waker,
) -> Poll<F::Output> {
    driver.within(|| Pin::new(work).poll(&mut Context::from_waker(waker)))
}

pub(crate) fn turn(driver: &Driver) {
    driver.turn(Park::Forever, || false).expect("a turn");
}

/// An open that makes the file.
pub(crate) fn open(driver: &Rc<Driver>, path: &str) -> Opening {
    let how = ops::OpenHow {
        flags: (libc::O_CREAT | libc::O_RDWR) as u64,
        mode: 0o600,
        resolve: 0,
    };
    driver
        .within(|| ops::open(None, Path::new(path), how))
        .expect("a path")
}

pub(crate) fn file(driver: &Rc<Driver>, path: &str) -> Fd {
    let mut open = open(driver, path);
    loop {
        if let Poll::Ready(file) = poll(driver, &mut open, Waker::noop()) {
            return file.expect("a file");
        }
        turn(driver);
    }
}

/// Counts its wakes.
#[derive(Default)]
pub(crate) struct Count(AtomicU32);

impl Count {
    pub(crate) fn wakes(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
