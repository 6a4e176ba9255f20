//! A thread that sleeps is woken by another one: through the ring by an eventfd or a message, or without the ring by a futex.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use io_uring::{opcode, squeue, types};
use rustix::event::{EventfdFlags, eventfd as new_eventfd};
use sakia_bench::measure::{Watch, cannot, pin_to, spin};
use sakia_bench::raw::{Queues, build};
use sakia_bench::words::Words;

/// `IORING_REGISTER_SEND_MSG_RING`
const SEND_MSG_RING: u32 = 31;

/// `TIMES DELAY`: a read of an eventfd is in flight.
pub fn eventfd(words: &Words) {
    let counter = Arc::new(new_eventfd(0, EventfdFlags::CLOEXEC).expect("a descriptor is left"));
    let theirs = counter.clone();
    let mut ring = build(64);
    let mut queues = Queues::of(&mut ring);
    let value = Box::leak(Box::new([0_u8; 8])).as_mut_ptr();
    rounds(
        words,
        move |_| add_one(&theirs),
        |_| {
            let entry = opcode::Read::new(types::Fd(counter.as_raw_fd()), value, 8).build();
            // SAFETY: the eight bytes are never freed, and nobody looks at them; one read is in flight at a time.
            unsafe { queues.push(&entry) };
            until_completed(&mut queues);
        },
    );
}

/// `TIMES DELAY`: the other thread posts a completion (`IORING_REGISTER_SEND_MSG_RING`, Linux 6.13).
pub fn msg_ring(words: &Words) {
    let mut ring = build(64);
    let fd = ring.as_raw_fd();
    let mut queues = Queues::of(&mut ring);
    // An older kernel does not know the number.
    if post(fd).is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)) {
        return cannot();
    }
    until_completed(&mut queues);
    let wake = move |_| post(fd).expect("it could before");
    rounds(words, wake, |_| until_completed(&mut queues));
}

/// `TIMES DELAY`: park and unpark.
pub fn futex(words: &Words) {
    let (woken, sleeper) = (Arc::new(AtomicU64::new(0)), std::thread::current());
    let theirs = woken.clone();
    let wake = move |number| {
        theirs.store(number, Ordering::Release);
        sleeper.unpark();
    };
    rounds(words, wake, |number| {
        while woken.load(Ordering::Acquire) != number {
            std::thread::park();
        }
    });
}

/// A thread on core 0 calls `wake` some time after each round has begun; `wait` sleeps until then.
fn rounds(words: &Words, wake: impl Fn(u64) + Send + 'static, mut wait: impl FnMut(u64)) {
    let (times, delay) = (words.number(0), Duration::from_micros(words.number(1)));
    let asked = Arc::new(AtomicU64::new(0));
    let theirs = asked.clone();
    std::thread::spawn(move || {
        pin_to(0);
        for number in 1..=times {
            while theirs.load(Ordering::Acquire) != number {
                std::hint::spin_loop();
            }
            spin(delay);
            wake(number);
        }
    });
    let watch = Watch::of_thread();
    for number in 1..=times {
        asked.store(number, Ordering::Release);
        wait(number);
    }
    watch.tell_less(times, delay * times as u32);
    exit(0);
}

/// The kernel may return from the wait without a completion.
fn until_completed(queues: &mut Queues<'_>) {
    loop {
        queues.turn(1);
        if let Some(done) = queues.next_completion() {
            assert!(done.result() >= 0, "failed: {}", done.result());
            return;
        }
    }
}

fn add_one(counter: &OwnedFd) {
    let written = rustix::io::write(counter, &1_u64.to_ne_bytes());
    assert_eq!(written, Ok(8));
}

fn post(ring: RawFd) -> io::Result<()> {
    let entry: squeue::Entry = opcode::MsgRingData::new(types::Fd(ring), 0, 77, None).build();
    // SAFETY: the kernel reads the one entry during the call.
    let posted = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            -1,
            SEND_MSG_RING,
            &raw const entry,
            1,
        )
    };
    match posted {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
