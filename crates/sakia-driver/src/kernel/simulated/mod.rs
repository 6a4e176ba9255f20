//! The simulated kernel: no system call at all. Descriptors, files, sockets and time are a model, and a seed decides what happens when.
//!
//! It stands below the seam like the others, so that the driver, the nouns and the facade run on it unchanged; and it is an outside witness of
//! them (`world.rs`). A run is a function of its seed: there is one thread, one clock, and one source of chance.
//!
//! | room | what is in it |
//! |---|---|
//! | `config`, `random` | what is asked of it; its dice |
//! | `ring`, `exec`, `calls` | queues and ops in flight; what each op does; what is answered on the spot |
//! | `world`, `socket`, `net`, `tree`, `files` | the model |
//! | `lent` | the only unsafe: memory that a program has lent |
//!
//! Numbers of descriptors begin at 2^30, which is more than Linux gives out, so that none can be mistaken for a real one. None of them leaves the driver:
//! they are owned by [`KernelFd`], which asks here how one is closed, and never by an `OwnedFd`.

mod calls;
mod config;
mod exec;
mod files;
mod lent;
mod net;
mod random;
mod ring;
mod socket;
mod tree;
mod world;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::{Rc, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

pub use config::SimConfig;

use super::{Call, Clock, Cqe, EnterError, Entered, Kernel, KernelFd, Sqe, Wait};
use world::{Thing, World};

/// The first number of a simulated descriptor.
const BASE: RawFd = 1 << 30;
/// Bits of a number that count within a world; above them stands which world of the thread it is.
const WORLD: u32 = 20;
/// How long a world in which nothing will ever happen waits for a wake from another thread.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much of the trace a panic shows.
const TAIL: usize = 40;

thread_local! {
    /// The worlds of this thread. A number says which one it is of.
    static WORLDS: RefCell<Vec<Weak<RefCell<World>>>> = const { RefCell::new(Vec::new()) };
}

fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

/// Whether a number is one of a simulated kernel's.
pub(super) fn is_simulated(fd: RawFd) -> bool {
    fd >= BASE
}

/// Closes a simulated descriptor.
pub(super) fn close(fd: RawFd) -> io::Result<u64> {
    let at = ((fd - BASE) >> WORLD) as usize;
    let world = WORLDS.try_with(|worlds| worlds.borrow().get(at).and_then(Weak::upgrade));
    let world = world.ok().flatten().ok_or_else(|| error(libc::EBADF))?;
    let closed = world.borrow_mut().close(fd);
    closed.map(|()| 0).map_err(error)
}

/// Why a simulated descriptor cannot be shown to code outside.
pub(super) fn nothing_outside() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "a descriptor of a simulated kernel is nothing outside it: it has no OwnedFd, and no BorrowedFd",
    )
}

/// A kernel that is a model.
pub(crate) struct Simulated {
    world: Rc<RefCell<World>>,
    ring: Option<KernelFd>,
    owner: Thread,
}

impl Simulated {
    pub(crate) fn new(config: SimConfig, entries: u32) -> io::Result<Self> {
        let entries = entries.clamp(1, 32_768).next_power_of_two() as usize;
        let world = WORLDS.with(|worlds| {
            let mut worlds = worlds.borrow_mut();
            let gone = worlds.iter().position(|world| world.strong_count() == 0);
            let at = gone.unwrap_or(worlds.len());
            if at >= 1 << (30 - WORLD) {
                return Err(error(libc::ENFILE));
            }
            let base = BASE + ((at as RawFd) << WORLD);
            let world = Rc::new(RefCell::new(World::new(config, base, entries)));
            if at == worlds.len() {
                worlds.push(Weak::new());
            }
            worlds[at] = Rc::downgrade(&world);
            Ok(world)
        })?;
        let ring = {
            let mut world = world.borrow_mut();
            let id = world.make(Thing::Ring);
            world.install(id)
        };
        Ok(Self {
            world,
            ring: Some(KernelFd::adopt(ring)),
            owner: std::thread::current(),
        })
    }

    /// Closes the ring. Calls are answered on, for the descriptors that outlive it.
    pub(crate) fn close_ring(&mut self) {
        let mut world = self.world.borrow_mut();
        let left = world.ring.in_flight();
        world.note(format_args!("the ring is closed with {left} ops in flight"));
        world.ring.closed = true;
        drop(world);
        self.ring = None;
    }

    pub(crate) fn simulation(&self) -> Simulation {
        Simulation {
            world: self.world.clone(),
        }
    }
}

impl Kernel for Simulated {
    fn push(&mut self, sqe: &Sqe) -> bool {
        self.world.borrow_mut().ring.push(sqe)
    }

    fn enter(&mut self, wait: Wait) -> Result<Entered, EnterError> {
        if self.world.borrow().ring.closed {
            return Err(EnterError(libc::EBADF));
        }
        if let Some(entered) = self.world.borrow_mut().enter(wait) {
            return Ok(entered);
        }
        // Nothing is going to happen in this world. Another thread may wake us, which no simulation should need.
        let start = Instant::now();
        std::thread::park_timeout(PATIENCE);
        assert!(
            start.elapsed() < PATIENCE,
            "deadlock: the simulated program waits for something that will never happen\n{}",
            self.simulation()
        );
        Ok(Entered::Fine)
    }

    fn pop(&mut self) -> Option<Cqe> {
        self.world.borrow_mut().ring.pop()
    }

    fn wants_enter(&mut self) -> bool {
        self.world.borrow_mut().wants_enter()
    }

    fn supports(&self, opcode: u8) -> bool {
        exec::is_known(opcode)
    }

    fn skips_success(&self) -> bool {
        true
    }

    fn call(&self, call: Call<'_>) -> io::Result<u64> {
        match call {
            Call::Close(fd) => fd.close(),
            call => self.world.borrow_mut().call(call).map_err(error),
        }
    }

    fn is_this_machine(&self) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a simulated kernel has no name resolver, and no calls that have no opcode",
        ))
    }

    fn take_in(&self, _: OwnedFd) -> io::Result<KernelFd> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a simulated kernel does not know descriptors from outside",
        ))
    }

    fn clock(&self) -> Clock {
        Clock::by_hand(self.world.borrow().hand())
    }

    fn sleeper(&self) -> Option<Thread> {
        Some(self.owner.clone())
    }

    fn takes_messages(&self) -> bool {
        false
    }

    fn ring_fd(&self) -> RawFd {
        self.ring.as_ref().map_or(-1, KernelFd::raw)
    }

    fn wake_fd(&mut self) -> io::Result<Rc<OwnedFd>> {
        Err(nothing_outside())
    }

    fn rest(&mut self) -> bool {
        self.wants_enter()
    }

    fn alert(&mut self) {}
}

/// What a test can ask of, and do to, the simulated kernel of a driver. It outlives the driver.
///
/// Its `Display` is the end of the trace, and what went wrong: for the message of a test that fails.
#[derive(Clone)]
pub struct Simulation {
    world: Rc<RefCell<World>>,
}

impl Simulation {
    /// Everything that the kernel has seen, a line each: nanoseconds since the beginning, then what was done.
    pub fn trace(&self) -> Vec<String> {
        self.world.borrow().lines().to_vec()
    }

    /// A hash of the whole trace: equal for equal runs.
    pub fn trace_hash(&self) -> u64 {
        self.world.borrow().hash()
    }

    /// What no correct program makes a kernel see: a close of what is not open, a number closed under an op that names it, lent memory that was touched.
    ///
    /// One is a bug of sakia's.
    pub fn violations(&self) -> Vec<String> {
        self.world.borrow().violations().to_vec()
    }

    /// The descriptors that are open.
    pub fn open_descriptors(&self) -> Vec<String> {
        self.world.borrow().open_descriptors()
    }

    /// How many ops the kernel has in hand.
    pub fn ops_in_flight(&self) -> usize {
        self.world.borrow().ring.in_flight()
    }

    /// How much time has gone by in the simulation.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.world.borrow().now())
    }

    /// Lets time go by while no runtime runs: what was under way arrives.
    pub fn advance(&self, time: Duration) {
        let mut world = self.world.borrow_mut();
        let until = world.now().saturating_add(time.as_nanos() as u64);
        while let Some(next) = world.next_event().filter(|next| *next <= until) {
            let next = next.max(world.now());
            world.set_now(next);
            world.run_due();
        }
        world.set_now(until);
    }

    /// Puts a file into the simulated tree, which has `/tmp`, `/dev/null`, `/dev/zero` and `/remote` (a file system with a server).
    ///
    /// # Errors
    /// As open(2).
    pub fn write_file(&self, path: impl AsRef<Path>, data: impl Into<Vec<u8>>) -> io::Result<()> {
        let path = path.as_ref().as_os_str().as_bytes();
        self.world
            .borrow_mut()
            .put(path, data.into())
            .map_err(error)
    }

    /// Looks at a file of the simulated tree.
    ///
    /// # Errors
    /// As open(2).
    pub fn read_file(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let path = path.as_ref().as_os_str().as_bytes();
        self.world.borrow_mut().contents(path).map_err(error)
    }
}

impl fmt::Display for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.world.borrow();
        writeln!(f, "simulation of seed {}:", world.config.seed)?;
        let lines = world.lines();
        let from = lines.len().saturating_sub(TAIL);
        if from > 0 {
            writeln!(f, "  ... {from} lines")?;
        }
        for line in &lines[from..] {
            writeln!(f, "  {line}")?;
        }
        for open in world.open_descriptors() {
            writeln!(f, "  open: {open}")?;
        }
        for violation in world.violations() {
            writeln!(f, "  VIOLATION: {violation}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").finish_non_exhaustive()
    }
}
