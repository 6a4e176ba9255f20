//! Operations written outside of sakia: an example that runs, and what the runtime owes such an op when its future is dropped.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use sakia::Kind;
use sakia::op::{Cancel, Completion, Holds, Op, OpExt, Receipt, Sqe, Yields, opcode};
use sakia_tests::xattr;

use crate::support::{laps, poll_once, run_clean};

#[allow(dead_code, reason = "its main is for the command line")]
#[path = "../../crates/sakia/examples/own_opcode.rs"]
mod example;

#[test]
fn the_example_sets_an_attribute_that_the_system_sees() {
    // Of the package, not of a temporary directory: not every file system has such attributes.
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = file.path().to_str().unwrap();
    let noted = match run_clean(example::note(path, "the test")) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            sakia_tests::skip("own_opcode", "the file system has no user attributes");
            return;
        }
        noted => noted.unwrap(),
    };
    assert_eq!(noted, b"the test");
    assert_eq!(xattr(file.path(), c"user.read-by").unwrap(), b"the test");
}

/// Memory that says what was in it when it was freed.
struct Told {
    bytes: Box<[u8; 8]>,
    freed: Rc<RefCell<Option<[u8; 8]>>>,
}

impl Drop for Told {
    fn drop(&mut self) {
        *self.freed.borrow_mut() = Some(*self.bytes);
    }
}

/// A read of a socket, which is armed until something comes. `EAGER` says what a drop does.
struct Receive<const EAGER: bool> {
    from: OwnedFd,
    into: Told,
}

// SAFETY: the address is the boxed array's, which is this value's own; so is the descriptor. The result is a length.
unsafe impl<const EAGER: bool> Op for Receive<EAGER> {
    type Output = io::Result<u32>;
    const CANCEL: Cancel = if EAGER { Cancel::Eager } else { Cancel::Never };

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let into = self.into.bytes.as_mut_ptr() as u64;
        *sqe = Sqe::rw(opcode::RECV, self.from.as_raw_fd(), into, 8, 0);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result()
    }
}

#[test]
fn an_abandoned_op_of_ones_own_keeps_its_memory_and_its_descriptor_until_its_last_completion() {
    run_clean(async {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let freed = Rc::new(RefCell::new(None));
        let into = Told {
            bytes: Box::default(),
            freed: freed.clone(),
        };
        let mut op = sakia::submit(Receive::<false> {
            from: ours.into(),
            into,
        });
        assert!(poll_once(&mut op).is_pending());
        laps(3).await;
        drop(op);
        laps(10).await;
        assert_eq!(*freed.borrow(), None, "the kernel may still write there");
        peer.write_all(b"too late").unwrap();
        while freed.borrow().is_none() {
            laps(1).await;
        }
        assert_eq!(freed.take(), Some(*b"too late"), "and it did");
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the descriptor is closed");
    });
}

#[test]
fn an_op_of_ones_own_is_cancelled_by_its_drop_by_name_and_by_time() {
    run_clean(async {
        let (ours, _peer) = UnixStream::pair().unwrap();
        let freed = Rc::new(RefCell::new(None));
        let op = || {
            sakia::submit(Receive::<true> {
                from: ours.try_clone().unwrap().into(),
                into: Told {
                    bytes: Box::default(),
                    freed: freed.clone(),
                },
            })
        };
        let mut dropped = op();
        assert!(poll_once(&mut dropped).is_pending());
        drop(dropped);
        assert_eq!(*freed.borrow(), None, "not before its last completion");
        while freed.take().is_none() {
            laps(1).await;
        }
        let mut named = op();
        assert!(poll_once(&mut named).is_pending());
        assert!(matches!(named.cancel().await, Receipt::Cancelled(())));
        let late = op().timeout(Duration::from_millis(2)).await;
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

/// An accept that goes on: each connection is a completion that is not the last.
struct AcceptAll {
    listener: Rc<TcpListener>,
    arrived: Rc<RefCell<Vec<OwnedFd>>>,
    ended: Rc<Cell<bool>>,
}

/// `IORING_ACCEPT_MULTISHOT`.
const MULTISHOT: u16 = 1;

// SAFETY: the submission names no memory, and the descriptor is this value's own; results are descriptors.
unsafe impl Op for AcceptAll {
    type Output = io::Result<u32>;
    const CANCEL: Cancel = Cancel::Eager;
    const YIELDS: Yields = Yields::Descriptor(Kind::TcpStream);

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let listener = self.listener.as_raw_fd();
        *sqe = Sqe::rw(opcode::ACCEPT, listener, 0, 0, 0)
            .op_flags(libc::SOCK_CLOEXEC as u32)
            .ioprio(MULTISHOT);
        Holds::none()
    }

    fn more(&mut self, done: Completion) {
        self.arrived.borrow_mut().extend(done.into_owned_fd());
    }

    fn complete(self, done: Completion) -> Self::Output {
        self.ended.set(true);
        done.result()
    }
}

#[test]
fn an_op_with_several_completions_is_told_of_each_and_its_drop_closes_what_comes_later() {
    if sakia_tests::is_emulated() {
        let why =
            "the emulated kernel answers a multishot, which nothing of sakia's pushes, with EINVAL";
        return sakia_tests::skip("a multishot of one's own", why);
    }
    run_clean(async {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let addr = listener.local_addr().unwrap();
        let (arrived, ended) = (Rc::default(), Rc::new(Cell::new(false)));
        let op = || {
            sakia::submit(AcceptAll {
                listener: listener.clone(),
                arrived: Rc::clone(&arrived),
                ended: ended.clone(),
            })
        };
        let mut all = op();
        assert!(poll_once(&mut all).is_pending());
        let mut peers = Vec::new();
        for n in 1..=3 {
            peers.push(TcpStream::connect(addr).unwrap());
            while arrived.borrow().len() < n {
                laps(1).await;
                assert!(poll_once(&mut all).is_pending());
            }
        }
        // Arrived, and not told of: they go with the future.
        let mut untold = TcpStream::connect(addr).unwrap();
        laps(3).await;
        drop(all);
        untold
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        match untold.read(&mut [0]) {
            Ok(n) => assert_eq!(n, 0),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
        assert_eq!(arrived.borrow().len(), 3);

        let mut all = op();
        assert!(poll_once(&mut all).is_pending());
        laps(2).await;
        let receipt = all.cancel().await;
        assert!(matches!(receipt, Receipt::Cancelled(())), "{receipt:?}");
        assert!(ended.get());
        arrived.borrow_mut().clear();
        for mut peer in peers {
            assert_eq!(peer.read(&mut [0]).unwrap(), 0, "each was ours alone");
        }
    });
}

/// Asks for an opcode that no kernel has.
struct Unheard;

// SAFETY: the submission names no memory and no descriptor, and has no result.
unsafe impl Op for Unheard {
    type Output = io::Result<u32>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        *sqe = Sqe::rw(250, -1, 0, 0, 0);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result()
    }
}

#[test]
fn an_opcode_that_the_kernel_lacks_is_unsupported_and_named_by_its_number() {
    let error = run_clean(async { sakia::submit(Unheard).await }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("250"), "{error}");
}
