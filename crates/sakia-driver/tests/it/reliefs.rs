//! No descriptor left, or an address in use, while closes are pending: they are awaited for a moment, the loop goes on, and one more try is made.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sakia_driver::ops::{OpenHow, Patience};
use sakia_driver::{Config, Driver, Fd, Kind, ops};

use crate::help::{adopt, alone, block_on, end, fill, limit_fds, turn_for};

/// A driver whose kernel has one worker: closes that wait for it are done one after the other.
fn driver() -> Rc<Driver> {
    let mut config = Config::default();
    config.entries = 64;
    (config.bounded_workers, config.unbounded_workers) = (1, 1);
    Driver::new(&config).expect("a ring")
}

/// Drops a socket whose close occupies the worker until its peer, here, has read everything: it does so when `read` is asked for.
fn stuck_close(driver: &Rc<Driver>, read: bool) -> JoinHandle<()> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let ours = adopt(driver, client, Kind::TcpStream);
    ours.set_linger(Some(3)).unwrap();
    assert!(fill(&ours) > 0);
    drop(ours);
    // The worker has begun with it when the turns are over.
    turn_for(driver, Duration::from_millis(20));
    std::thread::spawn(move || {
        if read {
            std::thread::sleep(Duration::from_millis(10));
            peer.read_to_end(&mut Vec::new()).unwrap();
        } else {
            std::thread::sleep(Duration::from_secs(1));
        }
    })
}

/// Drops a listener whose close waits for the worker; answers the address that it still holds.
fn waiting_close(driver: &Rc<Driver>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let listener = adopt(driver, listener, Kind::TcpListener);
    listener.set_linger(Some(1)).unwrap();
    drop(listener);
    addr
}

fn bind(addr: SocketAddr) -> io::Result<Fd> {
    let fd = Fd::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    fd.bind(&addr.into())?;
    fd.listen(1)?;
    Ok(fd)
}

/// Binds, and counts how often somebody else on the loop had a turn meanwhile.
fn bind_patiently(driver: &Rc<Driver>, addr: SocketAddr) -> (io::Result<Fd>, u32) {
    let mut patience = Patience::default();
    let mut ticks = 0;
    let mut tick = ops::nap(Duration::from_millis(1));
    let bound = block_on(
        driver,
        poll_fn(|cx| {
            while Pin::new(&mut tick).poll(cx).is_ready() {
                ticks += 1;
                tick = ops::nap(Duration::from_millis(1));
            }
            patience.poll(cx, || bind(addr))
        }),
    );
    (bound, ticks)
}

#[test]
fn an_address_that_a_pending_close_gives_back_is_bound() {
    let driver = driver();
    // On a machine that is busy the close may take longer than the patience lasts; not time and again.
    let freed = (0..10).any(|_| {
        let reader = stuck_close(&driver, true);
        let addr = waiting_close(&driver);
        assert!(driver.within(|| bind(addr)).is_err(), "it is not free yet");
        let (bound, ticks) = bind_patiently(&driver, addr);
        assert!(ticks > 0, "the loop goes on");
        reader.join().unwrap();
        bound.is_ok()
    });
    assert!(freed, "a close makes it free");
    end(&driver);
}

#[test]
fn an_address_that_no_close_gives_back_in_time_is_an_error_and_without_closes_at_once() {
    let driver = driver();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut patience = Patience::default();
    let at_once = driver.within(|| {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        patience.poll(&mut cx, || bind(taken.local_addr().unwrap()))
    });
    let Poll::Ready(Err(error)) = at_once else {
        panic!("nothing is pending that could help");
    };
    assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));

    let reader = stuck_close(&driver, false);
    let addr = waiting_close(&driver);
    let start = Instant::now();
    let (bound, _) = bind_patiently(&driver, addr);
    assert_eq!(bound.unwrap_err().raw_os_error(), Some(libc::EADDRINUSE));
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(50), "{waited:?}");
    assert!(waited < Duration::from_millis(900), "{waited:?}");
    reader.join().unwrap();
    end(&driver);
}

#[test]
fn a_descriptor_that_a_pending_close_gives_back_opens_the_file() {
    alone(|| {
        let driver = driver();
        limit_fds(100);
        let open = || ops::open(None, Path::new("/dev/null"), OpenHow::default()).unwrap();
        // See above.
        let given = (0..10).any(|_| {
            let reader = stuck_close(&driver, true);
            waiting_close(&driver);
            let _hoard = take_all();
            let opened = block_on(&driver, open());
            reader.join().unwrap();
            opened.is_ok()
        });
        assert!(given, "a close gives one back");
        turn_for(&driver, Duration::from_millis(100));
        let hoard = take_all();
        let error = block_on(&driver, open()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        drop(hoard);
        end(&driver);
    });
}

/// Takes every descriptor that is left.
fn take_all() -> Vec<File> {
    std::iter::repeat_with(|| File::open("/dev/null"))
        .map_while(Result::ok)
        .collect()
}
