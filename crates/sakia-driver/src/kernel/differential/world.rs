//! What a program runs in: sockets, pipes, files and their peers, made alike for each kernel; and the record of what has happened.

use std::ffi::CString;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::{Duration, Instant};

use super::describe::waits;
use super::lent::{Lent, pattern};
use super::ops::{Place, Step};
use crate::kernel::abi::opcode;
use crate::kernel::{Call, Cqe, Kernel, KernelFd, Sqe, Wait, call};

/// How long anything may take that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A submission that has not completed.
struct Pending {
    tag: u64,
    place: Place,
    /// What it waits for, if that can be asked.
    waits: Option<(RawFd, i16)>,
    opcode: u8,
    lent: Box<Lent>,
}

pub(super) struct World {
    pub(super) stream: UnixStream,
    peer: Option<UnixStream>,
    pub(super) messages: UnixDatagram,
    sender: UnixDatagram,
    pub(super) pipe_in: PipeReader,
    feeder: PipeWriter,
    pub(super) pipe_out: PipeWriter,
    drain: PipeReader,
    /// For splice(2), after which a pipe does not know RWF_NOWAIT any more.
    pub(super) spliced: (PipeReader, PipeWriter),
    pub(super) counter: KernelFd,
    pub(super) listener: UnixListener,
    clients: Vec<UnixStream>,
    pub(super) file: File,
    pub(super) dir: File,
    folder: tempfile::TempDir,
    pending: Vec<Pending>,
    next: u64,
    /// What has completed in this step.
    lines: Vec<String>,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), pattern(200, 1)).expect("a file");
        std::fs::create_dir(path("b")).expect("a directory");
        std::fs::write(path("data"), pattern(250, 2)).expect("a file");
        make_fifo(&path("fifo"));
        let listener = UnixListener::bind(path("socket")).expect("a listener");
        let (stream, peer) = UnixStream::pair().expect("a pair");
        let (messages, sender) = UnixDatagram::pair().expect("a pair");
        let (pipe_in, feeder) = std::io::pipe().expect("a pipe");
        let (drain, pipe_out) = std::io::pipe().expect("a pipe");
        let spliced = std::io::pipe().expect("a pipe");
        peer.set_nonblocking(true).expect("a flag");
        sender.set_nonblocking(true).expect("a flag");
        for fd in [feeder.as_raw_fd(), drain.as_raw_fd()] {
            set_nonblocking(fd);
        }
        let counter = call::perform(Call::Eventfd).expect("an eventfd");
        let mut options = File::options();
        let file = options.read(true).write(true).open(path("data"));
        Self {
            stream,
            peer: Some(peer),
            messages,
            sender,
            pipe_in,
            feeder,
            pipe_out,
            drain,
            spliced,
            counter: KernelFd::adopt(counter as RawFd),
            listener,
            clients: Vec::new(),
            file: file.expect("the file is there"),
            dir: File::open(folder.path()).expect("the directory is there"),
            folder,
            pending: Vec::new(),
            next: 1,
            lines: Vec::new(),
        }
    }

    /// Runs a program to its end, and answers what has happened in each step.
    pub(super) fn run(mut self, kernel: &mut impl Kernel, program: &[Step]) -> Vec<String> {
        let mut story = Vec::new();
        for (at, step) in program.iter().enumerate() {
            self.step(kernel, step);
            self.settle(kernel);
            self.lines.sort();
            story.push(format!("{at} {step:?}: {}", self.lines.join(", ")));
            self.lines.clear();
        }
        for tag in self
            .pending
            .iter()
            .map(|pending| pending.tag)
            .collect::<Vec<_>>()
        {
            push(kernel, &cancel_of(tag).tag(0));
        }
        self.until(kernel, |world| world.pending.is_empty());
        self.lines.retain(|line| !line.starts_with("#0 "));
        self.lines.sort();
        story.push(format!("at the end: {}", self.lines.join(", ")));
        self.lines.clear();
        self.peers_read_all();
        story.push(format!("left for the peers: {}", self.lines.join(", ")));
        story
    }

    fn step(&mut self, kernel: &mut impl Kernel, step: &Step) {
        match step.place() {
            Some(place) if self.is_taken(step, place) => self.lines.push("taken".into()),
            Some(place) => self.submit(kernel, step, place),
            None => match step {
                Step::Cancel(at) if self.pending.is_empty() => {
                    let _ = at;
                    push(kernel, &cancel_of(9999).tag(0));
                }
                Step::Cancel(at) => {
                    let tag = at.get(&self.pending).tag;
                    push(kernel, &cancel_of(tag).tag(0));
                }
                peer => self.peer_does(peer),
            },
        }
    }

    fn is_taken(&self, step: &Step, place: Place) -> bool {
        let taken = |place| self.pending.iter().any(|pending| pending.place == place);
        match (step, place) {
            // A pipe that is full would hold the worker up.
            (Step::SpliceIn(_), _) => !ready(self.spliced.1.as_raw_fd(), libc::POLLOUT),
            (_, Place::Prompt | Place::Alone) => false,
            (_, place) => taken(place),
        }
    }

    fn submit(&mut self, kernel: &mut impl Kernel, step: &Step, place: Place) {
        let tag = self.next;
        self.next += 1;
        let mut lent = Lent::new(tag);
        let sqe = self.describe(step, &mut lent);
        push(kernel, &sqe.tag(tag));
        self.pending.push(Pending {
            tag,
            place,
            waits: waits(&sqe),
            opcode: sqe.opcode,
            lent,
        });
    }

    fn peer_does(&mut self, step: &Step) {
        let said = match *step {
            Step::PeerSends(len) => match &mut self.peer {
                Some(peer) => said(peer.write(&pattern(len, 3))),
                None => "gone".into(),
            },
            Step::PeerReceives(len) => match &mut self.peer {
                Some(peer) => read(peer, len),
                None => "gone".into(),
            },
            Step::PeerSendsMessage(len) => said(self.sender.send(&pattern(len, 4))),
            Step::PeerFeeds(len) => said(self.feeder.write(&pattern(len, 5))),
            Step::PeerDrains(len) => read(&mut self.drain, len),
            Step::PeerConnects => {
                let client = UnixStream::connect(self.folder.path().join("socket"));
                self.clients.extend(client.ok());
                String::new()
            }
            _ => {
                self.peer = None;
                String::new()
            }
        };
        self.lines.push(format!("peer {said}"));
    }

    fn peers_read_all(&mut self) {
        let mut all = read(&mut self.drain, 1 << 20);
        if let Some(peer) = &mut self.peer {
            all += &read(peer, 1 << 20);
        }
        let mut message = vec![0; 1 << 20];
        while let Ok(n) = self.sender.recv(&mut message) {
            all += &told(&message[..n]);
        }
        self.lines.push(all);
    }

    /// Enters until nothing more can come: what is ready, and what a worker has, completes.
    fn settle(&mut self, kernel: &mut impl Kernel) {
        // A thread may take what is there before it says so.
        let takes = |pending: &&Pending| matches!(pending.place, Place::Listener | Place::Counter);
        let is_ready =
            |pending: &&Pending| pending.waits.is_some_and(|(fd, events)| ready(fd, events));
        let due = self.pending.iter().filter(takes).filter(is_ready);
        let due: Vec<u64> = due.map(|pending| pending.tag).collect();
        self.until(kernel, |world| {
            world.pending.iter().all(|pending| match pending.waits {
                _ if pending.place == Place::Prompt || due.contains(&pending.tag) => false,
                Some((fd, events)) => !ready(fd, events),
                None => true,
            })
        });
    }

    fn until(&mut self, kernel: &mut impl Kernel, over: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        // What was pushed goes in, what it has woken comes out.
        for _ in 0..2 {
            kernel.enter(Wait::No).expect("an enter");
            self.reap(kernel);
        }
        while !over(self) {
            let waiting: Vec<_> = self.pending.iter().map(|p| (p.tag, p.opcode)).collect();
            assert!(
                since.elapsed() < PATIENCE,
                "these do not complete: {waiting:?}"
            );
            kernel
                .enter(Wait::For(Duration::from_millis(1)))
                .expect("an enter");
            self.reap(kernel);
        }
    }

    fn reap(&mut self, kernel: &mut impl Kernel) {
        while let Some(cqe) = kernel.pop() {
            let at = self
                .pending
                .iter()
                .position(|pending| pending.tag == cqe.user_data);
            match at {
                Some(at) => {
                    let pending = self.pending.remove(at);
                    self.lines.push(pending.told(cqe));
                }
                None => self.lines.push(format!("#{} = {}", cqe.user_data, cqe.res)),
            }
        }
    }
}

impl Pending {
    /// What its completion says, and what it has brought.
    fn told(&self, cqe: Cqe) -> String {
        let tag = self.tag;
        match (self.opcode, cqe.res) {
            (opcode::ACCEPT | opcode::OPENAT | opcode::OPENAT2 | opcode::SOCKET, fd @ 0..) => {
                drop(KernelFd::adopt(fd));
                format!("#{tag} a descriptor")
            }
            (opcode::RECV | opcode::READ | opcode::READV | opcode::RECVMSG, n @ 0..) => {
                let bytes = [&self.lent.bytes[..], &self.lent.second[..]].concat();
                format!("#{tag} = {n} {}", told(&bytes))
            }
            (opcode::STATX, 0) => {
                let stat = &self.lent.statx;
                let (mode, size, links) = (stat.stx_mode, stat.stx_size, stat.stx_nlink);
                format!("#{tag} mode {mode:o}, {size} bytes, {links} links")
            }
            // A reset is an error of the socket that the first who meets it takes away: beside a read that waits too, POLLERR is a race.
            (opcode::POLL_ADD, events @ 0..) => {
                format!("#{tag} = {}", events & !i32::from(libc::POLLERR))
            }
            (_, res) => format!("#{tag} = {res}"),
        }
    }
}

fn cancel_of(tag: u64) -> Sqe {
    Sqe::rw(opcode::ASYNC_CANCEL, -1, tag, 0, 0)
}

fn push(kernel: &mut impl Kernel, sqe: &Sqe) {
    if !kernel.push(sqe) {
        kernel.enter(Wait::No).expect("an enter");
        assert!(kernel.push(sqe), "a queue that was entered has room");
    }
}

/// Bytes in a word: FNV-1a.
fn told(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("[{} bytes {hash:x}]", bytes.len())
}

fn said(result: std::io::Result<usize>) -> String {
    match result {
        Ok(n) => n.to_string(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn read(from: &mut impl Read, len: usize) -> String {
    let mut bytes = vec![0; len];
    match from.read(&mut bytes) {
        Ok(n) => told(&bytes[..n]),
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn ready(fd: RawFd, events: i16) -> bool {
    let mut pollfd = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: one local record.
    unsafe { libc::poll(&raw mut pollfd, 1, 0) > 0 }
}

fn set_nonblocking(fd: RawFd) {
    // SAFETY: fcntl(2) with F_SETFL reads integers.
    let set = unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(set, 0);
}

pub(in crate::kernel) fn make_fifo(path: &std::path::Path) {
    let path = CString::new(path.as_os_str().as_encoded_bytes()).expect("no NUL");
    // SAFETY: a C string that lives through the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}
