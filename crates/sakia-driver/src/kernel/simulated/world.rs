//! The world of a simulation: its time, its descriptors, everything that is open, what is going to happen, and what went wrong.
//!
//! It is also the outside witness of the driver's laws: it knows who closed what and when, and keeps as *violations* what no correct program makes a
//! kernel see: a close of a number that is not open, or that an op in flight names; an op on a number that is not open; lent memory that was touched.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::config::SimConfig;
use super::random::Random;
use super::ring::Ring;
use super::socket::{Id, Name, PIPE, Role, Socket};
use super::tree::Tree;

/// What is going to happen.
#[derive(Debug)]
pub(super) enum Event {
    /// An op in flight is carried out, or tried again.
    Try(u64),
    /// An op in flight has its result: its completion is posted.
    Post(u64),
    /// Bytes arrive at a stream.
    Bytes(Id, Vec<u8>),
    /// The end of a stream arrives.
    End(Id),
    /// A reset arrives.
    Reset(Id),
    /// A datagram arrives.
    Datagram(Id, Vec<u8>, Option<Name>),
    /// An error arrives at a socket: nobody listens there.
    Error(Id, i32),
}

/// What an open file description is.
#[derive(Debug)]
pub(super) enum Thing {
    File { inode: u64, flags: i32, cursor: u64 },
    Eventfd(u64),
    Ring,
    Socket(Socket),
}

/// An open file description: descriptors, ops in flight and backlogs refer to it.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) thing: Thing,
    references: u32,
}

/// See the module's page.
pub(super) struct World {
    pub(super) config: SimConfig,
    pub(super) random: Random,
    start: Instant,
    hand: Rc<Cell<Instant>>,
    pub(super) base: RawFd,
    descriptors: Vec<Option<Id>>,
    objects: BTreeMap<Id, Object>,
    next: u64,
    events: BTreeMap<(u64, u64), Event>,
    pub(super) names: BTreeMap<(i32, Name), Id>,
    pub(super) next_port: u16,
    pub(super) tree: Tree,
    pub(super) ring: Ring,
    lines: Vec<String>,
    hash: u64,
    violations: Vec<String>,
}

impl World {
    pub(super) fn new(config: SimConfig, base: RawFd, entries: usize) -> Self {
        let start = Instant::now();
        let completions = config.completions.unwrap_or(entries * 4);
        Self {
            random: Random::new(config.seed),
            start,
            hand: Rc::new(Cell::new(start)),
            base,
            descriptors: Vec::new(),
            objects: BTreeMap::new(),
            next: 1,
            events: BTreeMap::new(),
            names: BTreeMap::new(),
            next_port: 40_000,
            tree: Tree::new(),
            ring: Ring::new(entries, completions),
            lines: Vec::new(),
            hash: 0xcbf2_9ce4_8422_2325,
            violations: Vec::new(),
            config,
        }
    }

    pub(super) fn hand(&self) -> Rc<Cell<Instant>> {
        self.hand.clone()
    }

    /// Nanoseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        (self.hand.get() - self.start).as_nanos() as u64
    }

    pub(super) fn set_now(&self, now: u64) {
        // The driver may have slept past it.
        self.hand
            .set((self.start + Duration::from_nanos(now)).max(self.hand.get()));
    }

    /// How long something takes.
    pub(super) fn some_time(&mut self) -> u64 {
        let (least, most) = self.config.latency;
        let range = (most - least).as_nanos() as u64;
        least.as_nanos() as u64 + self.random.below(range + 1)
    }

    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.next += 1;
        self.events.insert((time, self.next), event);
    }

    pub(super) fn soon(&mut self, event: Event) {
        let time = self.now() + self.some_time();
        self.at(time, event);
    }

    pub(super) fn next_event(&self) -> Option<u64> {
        self.events.keys().next().map(|(time, _)| *time)
    }

    /// Takes the next event that is due.
    pub(super) fn due(&mut self) -> Option<Event> {
        let now = self.now();
        let entry = self.events.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    // What was seen.

    pub(super) fn note(&mut self, line: fmt::Arguments<'_>) {
        use fmt::Write as _;
        let mut text = String::new();
        let _ = write!(text, "{:>13} {line}", self.now());
        for byte in text.as_bytes() {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.config.trace {
            self.lines.push(text);
        }
    }

    pub(super) fn violation(&mut self, text: String) {
        self.note(format_args!("VIOLATION {text}"));
        self.violations.push(text);
    }

    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn violations(&self) -> &[String] {
        &self.violations
    }

    // Descriptors.

    /// The number without the world's base, as the trace shows it.
    pub(super) fn short(&self, fd: RawFd) -> i64 {
        i64::from(fd) - i64::from(self.base)
    }

    pub(super) fn lookup(&self, fd: RawFd) -> Result<Id, i32> {
        usize::try_from(self.short(fd))
            .ok()
            .and_then(|at| self.descriptors.get(at).copied().flatten())
            .ok_or(libc::EBADF)
    }

    /// Makes an open file description that nothing refers to yet.
    pub(super) fn make(&mut self, thing: Thing) -> Id {
        self.next += 1;
        let object = Object {
            thing,
            references: 0,
        };
        self.objects.insert(self.next, object);
        self.next
    }

    /// Whether one more descriptor may be.
    pub(super) fn has_room(&self) -> bool {
        self.descriptors.iter().flatten().count() < self.config.descriptors
    }

    /// Gives an open file description the lowest number that is free.
    pub(super) fn install(&mut self, id: Id) -> RawFd {
        self.hold(id);
        let free = self.descriptors.iter().position(Option::is_none);
        let at = free.unwrap_or(self.descriptors.len());
        if at == self.descriptors.len() {
            self.descriptors.push(None);
        }
        self.descriptors[at] = Some(id);
        self.base + at as RawFd
    }

    pub(super) fn close(&mut self, fd: RawFd) -> Result<(), i32> {
        let short = self.short(fd);
        let Ok(id) = self.lookup(fd) else {
            self.violation(format!("close of {short}, which is not open"));
            return Err(libc::EBADF);
        };
        if let Some(op) = self.ring.names(fd) {
            self.violation(format!("close of {short}, which an {op} in flight names"));
        }
        self.note(format_args!("close {short}"));
        self.descriptors[short as usize] = None;
        self.release(id);
        Ok(())
    }

    /// The descriptors that are open, in words.
    pub(super) fn open_descriptors(&self) -> Vec<String> {
        let numbered = self.descriptors.iter().enumerate();
        numbered
            .filter_map(|(at, id)| {
                let thing = &self.objects.get(&(*id)?)?.thing;
                Some(match thing {
                    Thing::File { inode, .. } => format!("{at}: file, inode {inode}"),
                    Thing::Eventfd(_) => format!("{at}: eventfd"),
                    Thing::Ring => format!("{at}: ring"),
                    Thing::Socket(socket) => {
                        format!("{at}: socket {:?} to {:?}", socket.name, socket.peer)
                    }
                })
            })
            .collect()
    }

    // Open file descriptions.

    pub(super) fn hold(&mut self, id: Id) {
        if let Some(object) = self.objects.get_mut(&id) {
            object.references += 1;
        }
    }

    /// Lets go of an open file description; the last to let go ends it.
    pub(super) fn release(&mut self, id: Id) {
        let Some(object) = self.objects.get_mut(&id) else {
            return;
        };
        object.references -= 1;
        if object.references > 0 {
            return;
        }
        match self.objects.remove(&id).map(|object| object.thing) {
            Some(Thing::File { inode, .. }) => self.tree.closed(inode),
            Some(Thing::Socket(socket)) => self.socket_ended(id, socket),
            Some(Thing::Eventfd(_) | Thing::Ring) | None => {}
        }
    }

    pub(super) fn thing(&mut self, id: Id) -> Option<&mut Thing> {
        self.objects.get_mut(&id).map(|object| &mut object.thing)
    }

    pub(super) fn socket(&mut self, id: Id) -> Result<&mut Socket, i32> {
        match self.thing(id) {
            Some(Thing::Socket(socket)) => Ok(socket),
            Some(_) => Err(libc::ENOTSOCK),
            None => Err(libc::EBADF),
        }
    }

    fn socket_ended(&mut self, id: Id, socket: Socket) {
        self.names.retain(|_, bound| *bound != id);
        match socket.role {
            Role::Listener(backlog, _) => {
                for connection in backlog {
                    self.reset(connection);
                    self.release(connection);
                }
            }
            Role::Stream(stream) => {
                let Some(peer) = stream.peer else {
                    return;
                };
                // Bytes that nobody has read are answered with a reset, and so is what comes later.
                let unread = !stream.arrived.is_empty() || stream.coming > 0;
                if unread && socket.kind != PIPE {
                    self.send_reset(peer);
                } else if !stream.shut_write || socket.kind == PIPE {
                    self.send_end(peer);
                }
                if let Ok(other) = self.socket(peer)
                    && let Some(other) = other.stream()
                {
                    other.peer = None;
                }
                self.touched(peer);
            }
            Role::Fresh | Role::Datagrams(_) => {}
        }
    }
}
