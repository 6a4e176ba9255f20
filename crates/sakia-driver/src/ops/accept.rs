//! accept4(2), which belongs to the listener: a connection that arrives for a future that has gone waits for the next one.

use std::future::Future;
use std::io;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::nop::{Nap, nap};
use crate::addr::SockAddr;
use crate::fd::{Fd, FdRef, Kind, Linger, Origin};
use crate::kernel::Kernel;
use crate::kernel::abi::{First, Sqe, opcode};
use crate::op::cancel::{Cancellable, Receipt};
use crate::op::future::Submit;
use crate::op::lane::{Lane, Side};
use crate::op::laned::{LaneOp, Laned, Served};
use crate::op::leftover::{Accepted, Leftover};
use crate::op::{Cancel, Completion, Holds, Op, Yields};

/// How long an accept that found no free descriptor waits before it asks once more.
const BACK_OFF: Duration = Duration::from_millis(50);

/// What the kernel writes: the peer's address, and its length. The driver keeps one for the next accept.
#[derive(Debug)]
pub(crate) struct Peer {
    addr: SockAddr,
}

impl Peer {
    fn new() -> Box<Self> {
        let addr = SockAddr::empty();
        Box::new(Self { addr })
    }
}

/// The op of [`accept`].
#[derive(Debug)]
pub struct AcceptOne {
    fd: RawFd,
    peer: Box<Peer>,
    /// An accepted socket inherits its listener's linger.
    linger: Linger,
    kind: Kind,
    first: First,
}

impl AcceptOne {
    fn adopt(self, fd: Fd, peer: SockAddr) -> (Fd, SockAddr) {
        fd.inner().set_linger(self.linger);
        fd.inner().driver().spare_peer().set(Some(self.peer));
        (fd, peer)
    }
}

// SAFETY: both addresses lead into the boxed peer; the listener is held by its future (`LaneOp`); the result is a descriptor.
unsafe impl Op for AcceptOne {
    type Output = io::Result<(Fd, SockAddr)>;
    const CANCEL: Cancel = Cancel::Idle;
    const YIELDS: Yields = Yields::Descriptor(Kind::TcpStream);

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let (addr, len) = self.peer.addr.as_out();
        *sqe = Sqe::rw(opcode::ACCEPT, self.fd, addr as u64, 0, len as u64)
            .op_flags(libc::SOCK_CLOEXEC as u32)
            .first(self.first);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        let peer = self.peer.addr;
        let fd = done.into_fd(self.kind);
        fd.map(|fd| self.adopt(fd, peer))
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        let fd = done.take_fd()?;
        Some(Leftover::Connection(Accepted {
            fd,
            peer: self.peer.addr,
        }))
    }
}

impl LaneOp for AcceptOne {
    const SIDE: Side = Side::In;

    fn aim(&mut self, fd: &FdRef) {
        self.linger = fd.linger();
        self.first = first(fd);
    }

    fn serve(self, lane: &Lane) -> Served<Self> {
        match lane.take() {
            Some(Leftover::Connection(Accepted { fd, peer })) => {
                let fd = Fd::adopt(fd, self.kind);
                Served::Over(fd.map(|fd| self.adopt(fd, peer)))
            }
            Some(other) => {
                lane.put_back(other);
                Served::Nothing(self)
            }
            None => Served::Nothing(self),
        }
    }
}

/// The future of [`accept`].
#[must_use = "futures do nothing unless polled"]
pub struct Accept {
    listener: FdRef,
    kind: Kind,
    /// In turn: the accept, the wait of a process without descriptors, the accept once more.
    stage: Stage,
    patient: bool,
    origin: Origin,
}

enum Stage {
    Accepting(Laned<AcceptOne>),
    Waiting(Submit<Nap>),
}

/// Accepts the next connection as a descriptor of this kind (`IORING_OP_ACCEPT`, Linux 5.5; accept4(2)).
///
/// A process that has no descriptor left (`EMFILE`, `ENFILE`) waits 50 ms and asks once more before it reports: a loop that goes on
/// at errors does not spin, and the connections wait in the backlog.
///
/// Where the kernel says that another connection is there (TCP, Linux 6.10), the next accept enters the ring at its first poll and is over with it, up to 64 times
/// a poll of the task: who has knocked does not wait for a lap of tasks each.
///
/// # Cancellation
/// The op, or the connection that it has brought, stays with the listener for the next call; with none for a turn the op is cancelled.
#[track_caller]
pub fn accept(listener: &Fd, kind: Kind) -> Accept {
    Accept {
        listener: listener.inner().clone(),
        kind,
        stage: Stage::Accepting(ask(listener.inner(), kind)),
        patient: true,
        origin: Origin::caller(),
    }
}

fn ask(listener: &FdRef, kind: Kind) -> Laned<AcceptOne> {
    // What the last accept has left in it is not read: the kernel says how long its own answer is.
    let spare = listener.driver().spare_peer().take();
    let op = AcceptOne {
        fd: listener.raw(),
        peer: spare.unwrap_or_else(Peer::new),
        linger: listener.linger(),
        kind,
        first: First::Try,
    };
    Laned::new(listener.clone(), op)
}

/// It waits first, unless the last accept has said that another connection is there: to try, the kernel makes a socket and a file,
/// and takes them down again if nobody has knocked.
#[inline]
fn first(listener: &FdRef) -> First {
    let ready = listener.lane(Side::In).has_more();
    match ready || !listener.driver().core().kernel.waits_to_accept() {
        true => First::Try,
        false => First::Wait,
    }
}

/// Polls an accept; one that will find a connection is handed over there and then, and looked at once more. A turn comes after a lap of tasks, and whoever has
/// knocked would wait as many laps as there are others before it, the longer the busier those are who are inside.
#[inline]
fn poll_now(
    listener: &FdRef,
    accepting: &mut Laned<AcceptOne>,
    cx: &mut Context<'_>,
) -> Poll<<AcceptOne as Op>::Output> {
    let polled = Pin::new(&mut *accepting).poll(cx);
    match polled.is_pending() && hands_over(listener) {
        true => Pin::new(accepting).poll(cx),
        false => polled,
    }
}

/// Whether the ring was entered for an accept whose connection is there; once, for the next one tells anew whether there is another.
fn hands_over(listener: &FdRef) -> bool {
    let (lane, driver) = (listener.lane(Side::In), listener.driver());
    let goes = lane.has_more() && !driver.is_forked() && driver.pays_on_the_spot();
    if goes {
        lane.note_more(0);
        driver.enter_now();
    }
    goes
}

fn from(origin: Origin, (fd, peer): (Fd, SockAddr)) -> (Fd, SockAddr) {
    (fd.asked_at(origin), peer)
}

/// Whether no descriptor, or no memory for one, was left.
fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

impl Future for Accept {
    type Output = io::Result<(Fd, SockAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.stage {
                Stage::Accepting(accepting) => {
                    match ready!(poll_now(&this.listener, accepting, cx)) {
                        Err(error) if this.patient && is_exhausted(&error) => {
                            this.patient = false;
                            this.stage = Stage::Waiting(nap(BACK_OFF));
                        }
                        result => return Poll::Ready(result.map(|got| from(this.origin, got))),
                    }
                }
                Stage::Waiting(waiting) => {
                    // Cut short or not, the answer is in the next accept.
                    let _ = ready!(Pin::new(waiting).poll(cx));
                    this.stage = Stage::Accepting(ask(&this.listener, this.kind));
                }
            }
        }
    }
}

impl Cancellable for Accept {
    type Value = (Fd, SockAddr);
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Self::Value>> {
        match &mut self.stage {
            Stage::Accepting(accepting) => {
                let receipt = ready!(accepting.poll_cancel(cx));
                Poll::Ready(receipt.and_then(|got| Ok(from(self.origin, got))))
            }
            Stage::Waiting(_) => Poll::Ready(Receipt::Cancelled(())),
        }
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;
    use std::task::Waker;

    use super::*;
    use crate::{Config, Driver, Park};

    #[test]
    fn an_accept_waits_first_unless_the_last_one_has_left_a_connection() {
        let driver = Driver::new(&Config::default()).expect("a ring");
        let knows = driver.core().kernel.waits_to_accept();
        let (listener, address) = listens(&driver);
        let waits = || {
            let mut accept = AcceptOne {
                fd: listener.inner().raw(),
                peer: Peer::new(),
                linger: Linger::Unset,
                kind: Kind::TcpStream,
                first: First::Try,
            };
            accept.aim(listener.inner());
            let mut sqe = Sqe::default();
            accept.prepare(&mut sqe);
            // IORING_ACCEPT_POLL_FIRST, and never IORING_ACCEPT_MULTISHOT.
            assert!(matches!(sqe.ioprio, 0 | 4));
            sqe.ioprio == 4
        };
        let accepts = || {
            let mut accept = accept(&listener, Kind::TcpStream);
            let mut cx = Context::from_waker(Waker::noop());
            loop {
                if let Poll::Ready(got) = driver.within(|| Pin::new(&mut accept).poll(&mut cx)) {
                    break got.expect("somebody has knocked");
                }
                driver
                    .turn(Park::Forever, || false)
                    .expect("the ring is well");
            }
        };
        assert_eq!(waits(), knows);
        let _peers = [(); 3].map(|()| TcpStream::connect(address).expect("there is room"));
        drop(accepts());
        assert!(!waits(), "another is there");
        drop(accepts());
        assert!(!waits(), "another is there");
        drop(accepts());
        assert_eq!(waits(), knows, "it was the last");
    }

    /// A listener in a driver, and where it listens.
    fn listens(driver: &Rc<Driver>) -> (Fd, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let adopted = driver.within(|| Fd::new(listener.into(), Kind::TcpListener));
        (adopted.expect("it is current"), address)
    }

    /// What the first poll of an accept gives.
    fn first_poll(driver: &Rc<Driver>, listener: &Fd) -> (Accept, bool) {
        let mut accept = accept(listener, Kind::TcpStream);
        let mut cx = Context::from_waker(Waker::noop());
        let polled = driver.within(|| Pin::new(&mut accept).poll(&mut cx));
        (accept, polled.is_ready())
    }

    #[test]
    fn who_has_knocked_is_let_in_at_one_go_up_to_the_budget_of_a_poll() {
        let driver = Driver::new(&Config::default()).expect("a ring");
        // One that does not know it does not say that another connection is there, either.
        let knows = driver.core().kernel.waits_to_accept();
        let (listener, address) = listens(&driver);
        let _peers = [(); 70].map(|()| TcpStream::connect(address).expect("there is room"));
        let mut asks = accept(&listener, Kind::TcpStream);
        drop(at_once(&driver, &mut asks).expect("somebody has knocked"));
        driver.refill();
        let let_in = |_: &_| first_poll(&driver, &listener).1;
        let most = if knows { 64 } else { 0 };
        assert_eq!((0..70).take_while(let_in).count(), most);
        // The one that was asked for meanwhile is there after the next turn.
        assert!(at_once(&driver, &mut accept(&listener, Kind::TcpStream)).is_ok());
    }

    #[test]
    fn an_accept_whose_connection_was_taken_by_another_enters_once_and_waits() {
        let driver = Driver::new(&Config::default()).expect("a ring");
        let (listener, address) = listens(&driver);
        let peers = [(); 2].map(|()| TcpStream::connect(address).expect("there is room"));
        let mut asks = accept(&listener, Kind::TcpStream);
        drop(at_once(&driver, &mut asks).expect("somebody has knocked"));
        let copy = listener.as_fd().try_clone_to_owned().expect("a descriptor");
        drop(
            TcpListener::from(copy)
                .accept()
                .expect("another has knocked"),
        );
        driver.refill();
        let (mut late, ready) = first_poll(&driver, &listener);
        assert!(!ready);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(
                driver
                    .within(|| Pin::new(&mut late).poll(&mut cx))
                    .is_pending()
            );
        }
        let left = (0..100).take_while(|_| driver.pays_on_the_spot()).count();
        let entered = usize::from(driver.core().kernel.waits_to_accept());
        assert_eq!(left, 64 - entered, "once at most, at its first poll");
        drop(peers);
        let _peer = TcpStream::connect(address).expect("there is room");
        assert!(at_once(&driver, &mut late).is_ok());
    }

    /// Polls to the end, and never waits for descriptors to come back.
    fn at_once(driver: &Rc<Driver>, accept: &mut Accept) -> io::Result<(Fd, SockAddr)> {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(got) = driver.within(|| Pin::new(&mut *accept).poll(&mut cx)) {
                return got;
            }
            assert!(matches!(accept.stage, Stage::Accepting(_)));
            driver
                .turn(Park::Forever, || false)
                .expect("the ring is well");
        }
    }

    #[test]
    fn a_connection_lingers_if_its_listener_did_as_it_was_asked_for_or_as_it_was_left_over() {
        let driver = Driver::new(&Config::default()).expect("a ring");
        let (listener, address) = listens(&driver);
        let _peers = [(); 2].map(|()| TcpStream::connect(address).expect("there is room"));
        listener.inner().set_linger(Linger::Unset);
        let mut asks = accept(&listener, Kind::TcpStream);
        listener.inner().set_linger(Linger::Set);
        let (got, _) = at_once(&driver, &mut asks).expect("somebody has knocked");
        assert_eq!(got.inner().linger(), Linger::Set);

        let mut dropped = accept(&listener, Kind::TcpStream);
        let mut cx = Context::from_waker(Waker::noop());
        driver.within(|| assert!(Pin::new(&mut dropped).poll(&mut cx).is_pending()));
        drop(dropped);
        let mut next = accept(&listener, Kind::TcpStream);
        let (got, _) = at_once(&driver, &mut next).expect("somebody has knocked");
        assert_eq!(got.inner().linger(), Linger::Set);
    }

    #[test]
    fn only_a_process_without_descriptors_waits_for_some() {
        let driver = Driver::new(&Config::default()).expect("a ring");
        // It is told the end, so that an accept that waits first goes on.
        let (stream, _) = UnixStream::pair().expect("a pair");
        let adopted = driver.within(|| Fd::new(stream.into(), Kind::TcpListener));
        let mut refused = accept(&adopted.expect("it is current"), Kind::TcpStream);
        let error = at_once(&driver, &mut refused).expect_err("it takes no connections");
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}
