//! The tests of calling threads back: from a FIFO without a peer, from a listener whose client somebody else has taken.

use std::ffi::CString;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::super::{Emulated, socket, sys};
use super::{Attempt, Flight, Letter, Request, Stage, Ticket};
use crate::kernel::abi::opcode;
use crate::kernel::differential::world::make_fifo;
use crate::kernel::uring::Ask;
use crate::kernel::{Call, Kernel, Sqe, Wait, call};

/// How long anything may take that must come.
const PATIENCE: Duration = Duration::from_secs(20);
const OP: u64 = 1;
const CANCEL: u64 = 2;

fn emulated() -> Emulated {
    let ask = Ask {
        entries: 8,
        workers: [0, 0],
    };
    Emulated::new(&ask).expect("epoll is everywhere")
}

fn push(kernel: &mut Emulated, sqe: &Sqe) {
    assert!(kernel.push(sqe));
    kernel.enter(Wait::No).expect("epoll can be entered");
}

fn cancel(kernel: &mut Emulated) {
    let sqe = Sqe::rw(opcode::ASYNC_CANCEL, -1, OP, 0, 0);
    push(kernel, &sqe.tag(CANCEL));
}

/// The result of this submission.
fn result_of(kernel: &mut Emulated, tag: u64) -> i32 {
    let start = Instant::now();
    loop {
        while let Some(cqe) = kernel.pop() {
            if cqe.user_data == tag {
                return cqe.res;
            }
        }
        assert!(start.elapsed() < PATIENCE, "#{tag} does not end");
        kernel
            .enter(Wait::For(Duration::from_millis(50)))
            .expect("epoll can be entered");
    }
}

fn until(mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "it never is so");
        std::hint::spin_loop();
    }
}

fn opens_fifo(path: &CString) -> Sqe {
    Sqe::rw(opcode::OPENAT, libc::AT_FDCWD, path.as_ptr() as u64, 0, 0)
        .op_flags((libc::O_RDONLY | libc::O_CLOEXEC) as u32)
        .on_worker()
        .tag(OP)
}

fn fifo() -> (tempfile::TempDir, CString) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("fifo");
    make_fifo(&path);
    let path = CString::new(path.as_os_str().as_encoded_bytes()).expect("no NUL byte");
    (folder, path)
}

#[test]
fn a_thread_that_waits_for_the_peer_of_a_fifo_is_called_back_by_a_cancel() {
    let (_folder, path) = fifo();
    let mut kernel = emulated();
    for _ in 0..100 {
        push(&mut kernel, &opens_fifo(&path));
        until(|| kernel.threads() == 1);
        cancel(&mut kernel);
        assert_eq!(result_of(&mut kernel, CANCEL), -libc::EALREADY);
        assert_eq!(result_of(&mut kernel, OP), -libc::ECANCELED);
        assert_eq!(kernel.threads(), 0);
    }
}

/// A thread with a job, which goes on to its accept when it is told to. Nobody connects: somebody else has taken what the loop had found ready.
struct Accepting {
    ticket: Arc<Ticket>,
    request: Request,
    go_on: Sender<()>,
    thread: JoinHandle<Attempt>,
}

fn accepting(listener: &TcpListener) -> Accepting {
    let ticket = Arc::new(Ticket::default());
    let sqe = Sqe::rw(opcode::ACCEPT, listener.as_raw_fd(), 0, 0, 0);
    let request = Request::new(sqe.tag(OP));
    let (mut theirs, its) = (request.clone(), ticket.clone());
    theirs.ticket = Some(ticket.clone());
    let (go_on, told) = channel();
    let thread = std::thread::spawn(move || {
        assert!(its.begin());
        told.recv().expect("it is told");
        let attempt = socket::accept_now(&theirs);
        its.end();
        attempt
    });
    until(|| ticket.is_begun());
    Accepting {
        ticket,
        request,
        go_on,
        thread,
    }
}

#[test]
fn a_thread_that_was_called_back_before_it_began_to_wait_is_called_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let job = accepting(&listener);
    let mut kernel = emulated();
    let flights = kernel.flights.get_mut();
    let key = flights.flights.insert(Flight {
        request: job.request,
        stage: Stage::Away(job.ticket, None),
        futile: 0,
        pauses: 0,
    });
    flights.tags.insert(OP, key);
    cancel(&mut kernel);
    job.go_on.send(()).expect("it waits to be told");
    until(|| {
        kernel
            .enter(Wait::For(Duration::from_millis(10)))
            .expect("epoll can be entered");
        job.thread.is_finished()
    });
    let attempt = job.thread.join().expect("it does not panic");
    assert_eq!(attempt, Attempt::Done(-libc::EINTR));
}

#[test]
fn a_thread_that_nobody_has_called_back_waits_on_through_signals() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let job = accepting(&listener);
    job.go_on.send(()).expect("it waits to be told");
    for _ in 0..100 {
        job.ticket.disturb();
        std::thread::sleep(Duration::from_micros(100));
    }
    let _client = TcpStream::connect(listener.local_addr().expect("it is bound"));
    let attempt = job.thread.join().expect("it does not panic");
    let Attempt::Done(fd @ 0..) = attempt else {
        panic!("{attempt:?}")
    };
    sys::close(fd).expect("it is open");
}

/// The thread may have found nothing to wait for just before it was called back: its request is not to wait then.
#[test]
fn an_answer_that_would_wait_ends_a_request_that_was_cancelled() {
    let (_folder, path) = fifo();
    for attempt in [
        Attempt::Later,
        Attempt::When(0, 0),
        Attempt::Done(-libc::EINTR),
    ] {
        let mut kernel = emulated();
        push(&mut kernel, &opens_fifo(&path));
        until(|| kernel.threads() == 1);
        cancel(&mut kernel);
        let request = Request::new(opens_fifo(&path));
        let flights = kernel.flights.get_mut();
        flights.answered(Letter {
            key: 0,
            request,
            attempt,
        });
        let answers: Vec<_> = flights
            .done
            .drain(..)
            .map(|cqe| (cqe.user_data, cqe.res))
            .collect();
        assert_eq!(
            answers,
            [(CANCEL, -libc::EALREADY), (OP, -libc::ECANCELED)],
            "{attempt:?}"
        );
    }
}

/// Each client is somebody else's or ours, as luck has it, and now and then one is gone between the poll and the accept.
#[test]
fn an_accept_on_a_listener_that_blocks_and_is_shared_can_always_be_cancelled() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let addr = listener.local_addr().expect("it is bound");
    let theirs = listener.try_clone().expect("a descriptor is free");
    let rounds = 2000;
    let others = std::thread::spawn(move || {
        let mut taken = 0;
        while theirs
            .accept()
            .is_ok_and(|(_, peer)| peer.ip().is_loopback())
        {
            taken += 1;
        }
        taken
    });
    let mut kernel = emulated();
    let accept = Sqe::rw(opcode::ACCEPT, listener.as_raw_fd(), 0, 0, 0);
    let mut ours = 0;
    for _ in 0..rounds {
        push(
            &mut kernel,
            &accept.op_flags(libc::SOCK_CLOEXEC as u32).tag(OP),
        );
        let _client = TcpStream::connect(addr).expect("the backlog has room");
        kernel
            .enter(Wait::For(Duration::from_millis(1)))
            .expect("epoll can be entered");
        cancel(&mut kernel);
        let fd = result_of(&mut kernel, OP);
        if fd >= 0 {
            sys::close(fd).expect("it is open");
            ours += 1;
        } else {
            assert_eq!(fd, -libc::ECANCELED);
        }
    }
    assert_eq!(kernel.threads(), 0);
    println!("{ours} of {rounds} were ours");
    // Ends their accept with an error.
    call::perform(Call::Shutdown(listener.as_raw_fd(), libc::SHUT_RD)).expect("it listens");
    assert!(ours + others.join().expect("it does not panic") <= rounds);
}
