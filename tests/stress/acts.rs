//! What a task of the program does: some random acts, in random order, each given up at random points.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::panic_any;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use sakia::fs::File;

use crate::chance::Chance;
use crate::program::Planned;
use crate::{messages, streams};

/// What the tasks of a round share.
pub struct World {
    /// The port of the watcher's peers.
    pub echo: u16,
    dir: PathBuf,
    names: Cell<u32>,
    /// Handles that outlive their runtime.
    kept: RefCell<Vec<Box<dyn Any>>>,
}

impl World {
    pub fn new(echo: u16, dir: PathBuf) -> Self {
        Self {
            echo,
            dir,
            names: Cell::new(0),
            kept: RefCell::default(),
        }
    }

    /// A handle ends here: it is dropped, or kept beyond the runtime.
    pub fn leave(&self, chance: &Chance, handle: impl Any) {
        if chance.one_in(8) {
            self.kept.borrow_mut().push(Box::new(handle));
        }
    }

    pub fn empty(&self) {
        drop(self.kept.take());
    }

    pub fn path(&self) -> PathBuf {
        self.names.set(self.names.get() + 1);
        self.dir.join(format!("file-{}", self.names.get() % 16))
    }
}

pub type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// A task: boxed, for tasks spawn tasks.
pub fn task(chance: Chance, world: Rc<World>) -> Boxed {
    Box::pin(async move {
        let _at_the_end = chance.one_in(6).then(|| SpawnsWhenDropped {
            chance: chance.fork(),
            world: world.clone(),
        });
        let _bomb = chance.one_in(20).then_some(PanicsWhenDropped);
        for _ in 0..1 + chance.below(4) {
            act(&chance, &world).await;
        }
    })
}

async fn act(chance: &Chance, world: &Rc<World>) {
    match chance.below(20) {
        0 | 1 => open_and_read(chance, world).await,
        2 => write_and_read_back(chance, world).await,
        3 => close_in_many_ways(chance, world).await,
        4 | 5 => streams::echo(chance, world).await,
        6 => streams::blocks(chance, world).await,
        7 | 8 => streams::accepts(chance, world).await,
        9 => streams::unix_pair(chance, world).await,
        10 => streams::datagrams(chance).await,
        11 => spawn_some(chance, world).await,
        12 => sakia::time::sleep(chance.micros(800)).await,
        13 => woken_from_elsewhere(chance).await,
        14 => {
            let job = sakia::spawn_blocking(|| 7);
            if let Some(answer) = chance.dare(job).await {
                assert_eq!(answer.ok(), Some(7));
            }
        }
        15 => messages::records(chance, world).await,
        16 => messages::receipts(chance, world).await,
        17 => messages::cancelled_accept(chance, world).await,
        18 if chance.one_in(3) => panic_any(Planned),
        _ => {
            let _ = chance.dare(sakia::fs::metadata(world.path())).await;
        }
    }
}

async fn open_and_read(chance: &Chance, world: &World) {
    let Some(Ok(file)) = chance.dare(File::open("/proc/self/exe")).await else {
        return;
    };
    for _ in 0..chance.below(6) {
        let buf = Vec::with_capacity(1 + chance.below(8192));
        let at = chance.below(1 << 16) as u64;
        match chance.below(3) {
            0 => drop(chance.dare(file.read_at(buf, at)).await),
            1 => drop(chance.dare(file.read(buf)).await),
            _ => drop(chance.dare(file.read_exact_at(buf, at)).await),
        }
    }
    world.leave(chance, file);
}

async fn write_and_read_back(chance: &Chance, world: &World) {
    let path = world.path();
    let mut options = File::options();
    options.read(true).write(true).create(true);
    let Some(Ok(file)) = chance.dare(options.open(&path)).await else {
        return;
    };
    let text = vec![chance.below(256) as u8; 1 + chance.below(20_000)];
    let _ = chance.dare(file.write_all_at(text, 0)).await;
    let _ = chance.dare(file.read_at(Vec::with_capacity(4096), 0)).await;
    if chance.one_in(3) {
        let _ = chance.dare(file.sync_data()).await;
    }
    if chance.one_in(4) {
        let _ = chance.dare(sakia::fs::remove_file(&path)).await;
    }
    if chance.one_in(4) {
        if let Some(Ok(file)) = chance.dare(file.into_std()).await {
            drop(file);
        }
    } else {
        world.leave(chance, file);
    }
}

async fn close_in_many_ways(chance: &Chance, world: &World) {
    let Some(Ok(file)) = chance.dare(File::create(world.path())).await else {
        return;
    };
    let _ = chance
        .dare(file.write_at("bytes to be closed behind", 0))
        .await;
    let close = file.close();
    if chance.one_in(4) {
        drop(close);
    } else if let Some(result) = chance.dare(close).await {
        result.expect("a local file closes");
    }
}

async fn spawn_some(chance: &Chance, world: &Rc<World>) {
    let mut set = sakia::JoinSet::new();
    for _ in 0..chance.below(3) {
        if chance.one_in(2) {
            set.spawn(task(chance.fork(), world.clone()));
        }
    }
    while let Some(ended) = set.join_next().await {
        if let Err(error) = ended {
            assert!(error.is_panic() || error.is_cancelled());
        }
        if chance.one_in(3) {
            set.abort_all();
        }
    }
}

/// A waker goes to another thread, which wakes with it while the task, and perhaps the runtime, ends.
async fn woken_from_elsewhere(chance: &Chance) {
    let wakes = chance.below(20);
    let mut thread = None;
    let mut polls = 0;
    let woken = poll_fn(|cx| {
        polls += 1;
        if polls > 1 + wakes / 4 {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let before = thread.replace(Joined(Some(std::thread::spawn(move || {
            for _ in 0..wakes {
                waker.wake_by_ref();
            }
            waker.wake();
        }))));
        drop(before);
        Poll::Pending
    });
    let _ = chance.dare(woken).await;
}

/// A thread of the program's own is over before the round is.
struct Joined(Option<std::thread::JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            thread.join().expect("it only wakes");
        }
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_any(Planned);
        }
    }
}

/// Spawns in its destructor: it may run at the end, when tasks are refused.
struct SpawnsWhenDropped {
    chance: Chance,
    world: Rc<World>,
}

impl Drop for SpawnsWhenDropped {
    fn drop(&mut self) {
        drop(sakia::spawn(task(self.chance.fork(), self.world.clone())));
    }
}
