//! The modes: what is asked of whom, which figure counts, and how far sakia may be from whom.

use super::systems::{SAKIA, SAKIA_AGAIN, SAKIA_TUNED};

pub struct Mode {
    pub name: &'static str,
    pub group: &'static str,
    /// Who runs in it beside the peers.
    pub ours: &'static [&'static str],
    pub peers: &'static [&'static str],
    pub task: Task,
    pub figure: Figure,
    pub target: Target,
    /// What else is compared.
    pub also: &'static [Also],
}

/// What is to be done.
#[derive(Clone, Copy)]
pub enum Task {
    /// The program alone: `MODE TIMES REST…`.
    Alone {
        mode: &'static str,
        times: u64,
        rest: &'static [&'static str],
    },
    /// A server and the neutral client.
    Load {
        client: &'static str,
        connections: usize,
        bytes: usize,
        depth: usize,
        /// The buffer that the server has for a connection.
        buf: usize,
    },
    /// A server of files under wrk.
    Http { connections: usize, size: usize },
}

/// The figure that is compared, by its name in what the programs say.
#[derive(Clone, Copy)]
pub enum Figure {
    /// Less is better.
    Cost(&'static str),
    /// More is better; the cost is one over it.
    Rate(&'static str),
}

impl Figure {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cost(name) | Self::Rate(name) => name,
        }
    }

    /// Do two rounds differ? Memory is the same in each.
    pub fn wavers(self) -> bool {
        self.name() != "bytes"
    }
}

/// How much sakia may cost. That no peer may cost less goes without saying.
#[derive(Clone, Copy)]
pub enum Target {
    /// So many times what the cheapest of these systems costs.
    Of(&'static [&'static str], f64),
    /// So much.
    Most(f64),
    None,
}

/// A figure beside the one that counts, with a target of its own.
pub struct Also {
    pub figure: Figure,
    pub target: Target,
}

const WALL: Figure = Figure::Cost("wall_ns");
const CPU: Figure = Figure::Cost("cpu_ns");
const RATE: Figure = Figure::Rate("rate");
const SERVER_CPU: Figure = Figure::Cost("server_cpu_ns");

/// One list behind the other.
const fn join<const N: usize>(some: &[&'static str], more: &[&'static str]) -> [&'static str; N] {
    assert!(some.len() + more.len() == N);
    let mut all = [""; N];
    let mut at = 0;
    while at < N {
        all[at] = match at < some.len() {
            true => some[at],
            false => more[at - some.len()],
        };
        at += 1;
    }
    all
}

/// Those that have a ring.
const RING_PEERS: &[&str] = &[
    "a10",
    "a10 tuned",
    "compio",
    "compio tuned",
    "glommio",
    "kimojio",
    "monoio",
    "monoio tuned",
    "tokio-uring",
    "tokio-uring tuned",
];
const EPOLL_PEERS: &[&str] = &["tokio current_thread", "tokio one worker", "smol"];
const PEERS: &[&str] = &join::<13>(RING_PEERS, EPOLL_PEERS);
/// With connections: compio with buffers that the kernel picks, too.
const NET_PEERS: &[&str] = &join::<14>(PEERS, &["compio managed"]);

/// The floors that read into a buffer of the connection's.
const SINGLE_SHOT: &[&str] = &["floor single-shot", "floor single-shot direct"];
const MULTISHOT: &[&str] = &[
    "floor multishot",
    "floor multishot direct",
    "floor multishot 64",
];
const NET_FLOORS: &[&str] = &join::<5>(SINGLE_SHOT, MULTISHOT);
const NET_REFERENCES: &[&str] = &join::<6>(NET_FLOORS, &["epoll"]);
const NET: &[&str] = &join::<8>(&[SAKIA, SAKIA_AGAIN], NET_REFERENCES);
/// With one connection the server is idle between two requests, and a spin makes a difference.
const NET_ALONE: &[&str] = &join::<9>(&[SAKIA, SAKIA_TUNED, SAKIA_AGAIN], NET_REFERENCES);
/// The same for sakia with buffers that the kernel picks.
const POOLED: &[&str] = &join::<8>(&["sakia pooled", "sakia pooled again"], NET_REFERENCES);
const FILES: &[&str] = &[
    SAKIA,
    SAKIA_AGAIN,
    "floor",
    "floor registered",
    "plain calls",
];
const REGISTERED: &[&str] = &[
    "sakia registered",
    "sakia registered again",
    SAKIA,
    "floor",
    "floor registered",
];
const OPENS: &[&str] = &[SAKIA, SAKIA_AGAIN, "floor", "plain calls"];
const RING: &[&str] = &[SAKIA, SAKIA_AGAIN, "floor"];
const TASKS: &[&str] = &[SAKIA, SAKIA_AGAIN, "mini", "mini sound"];
const LIMITED: &[&str] = &[SAKIA, SAKIA_AGAIN, "sakia without a limit"];
const AMONG_A_MILLION: &[&str] = &[SAKIA, SAKIA_AGAIN, "sakia among few", "mini", "mini sound"];
const SERVE: &[&str] = &["sakia-serve", "sakia-serve again", "tokio's twin"];
const WAKES: &[&str] = &[
    SAKIA,
    SAKIA_TUNED,
    SAKIA_AGAIN,
    "floor eventfd",
    "floor msg-ring",
    "futex",
];

/// The processor's time is held to the floor as the rate is; what a message waits is held to the peers.
const ECHO_ALSO: &[Also] = &[
    Also {
        figure: SERVER_CPU,
        target: Target::Of(SINGLE_SHOT, 1.04),
    },
    Also {
        figure: Figure::Cost("p99_us"),
        target: Target::None,
    },
];

const fn echo(name: &'static str, connections: usize, bytes: usize, depth: usize) -> Mode {
    Mode {
        name,
        group: "echo",
        ours: if connections == 1 { NET_ALONE } else { NET },
        peers: NET_PEERS,
        task: Task::Load {
            client: "echo",
            connections,
            bytes,
            depth,
            buf: if bytes > 4096 { 64 << 10 } else { 4096 },
        },
        figure: RATE,
        target: Target::Of(SINGLE_SHOT, 1.04),
        also: ECHO_ALSO,
    }
}

const fn load(
    client: &'static str,
    name: &'static str,
    connections: usize,
    figure: Figure,
    target: Target,
) -> Mode {
    Mode {
        name,
        group: "connections",
        ours: NET,
        peers: NET_PEERS,
        task: Task::Load {
            client,
            connections,
            bytes: 64,
            depth: 1,
            buf: 4096,
        },
        figure,
        target,
        also: &[],
    }
}

const fn serve(name: &'static str, connections: usize, size: usize) -> Mode {
    Mode {
        name,
        group: "serve",
        ours: SERVE,
        peers: &[],
        task: Task::Http { connections, size },
        figure: RATE,
        // Its rate is to be 1.05 of the twin's.
        target: Target::Of(&["tokio's twin"], 1.0 / 1.05),
        also: &[],
    }
}

/// A mode of one program: its name, who runs in it, `MODE TIMES REST…`.
const fn alone(
    name: &'static str,
    ours: &'static [&'static str],
    peers: &'static [&'static str],
    (mode, times, rest): (&'static str, u64, &'static [&'static str]),
) -> Mode {
    Mode {
        name,
        group: "",
        ours,
        peers,
        task: Task::Alone { mode, times, rest },
        figure: WALL,
        target: Target::None,
        also: &[],
    }
}

impl Mode {
    /// Each figure that is asked of sakia, and its target.
    pub fn asked(&self) -> impl Iterator<Item = (Figure, Target)> {
        let also = self.also.iter().map(|also| (also.figure, also.target));
        std::iter::once((self.figure, self.target)).chain(also)
    }

    const fn of(mut self, group: &'static str) -> Self {
        self.group = group;
        self
    }

    const fn by(mut self, figure: Figure) -> Self {
        self.figure = figure;
        self
    }

    const fn to(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    const fn with(mut self, also: &'static [Also]) -> Self {
        self.also = also;
        self
    }

    /// The same with a buffer of so many bytes a connection.
    const fn with_buf(mut self, size: usize) -> Self {
        if let Task::Load { buf, .. } = &mut self.task {
            *buf = size;
        }
        self
    }

    /// The same with buffers of sakia's pool.
    const fn pooled(mut self) -> Self {
        self.ours = POOLED;
        self
    }

    /// Does this word of the command line mean the mode: its name, the first part of it, or its group?
    pub fn is_meant_by(&self, word: &str) -> bool {
        let rest = self.name.strip_prefix(word);
        self.group == word || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

pub const MODES: &[Mode] = &[
    echo("echo-1-64-1", 1, 64, 1),
    echo("echo-1-4096-1", 1, 4096, 1),
    echo("echo-1-65536-1", 1, 65536, 1),
    echo("echo-1-64-16", 1, 64, 16),
    echo("echo-1-4096-16", 1, 4096, 16),
    echo("echo-50-64-1", 50, 64, 1),
    echo("echo-50-4096-1", 50, 4096, 1),
    echo("echo-50-65536-1", 50, 65536, 1),
    echo("echo-50-64-16", 50, 64, 16),
    echo("echo-50-4096-16", 50, 4096, 16),
    echo("echo-50-4096-16-b64k", 50, 4096, 16).with_buf(64 << 10),
    echo("echo-500-64-1", 500, 64, 1),
    echo("echo-500-4096-1", 500, 4096, 1),
    echo("echo-500-4096-1-pooled", 500, 4096, 1)
        .pooled()
        .to(Target::Of(NET_FLOORS, 1.05))
        // Its rate is to be 1.3 of the best peer's.
        .with(&[Also {
            figure: RATE,
            target: Target::Of(NET_PEERS, 1.0 / 1.3),
        }]),
    echo("echo-500-65536-1", 500, 65536, 1),
    echo("echo-500-64-16", 500, 64, 16),
    echo("echo-500-4096-16", 500, 4096, 16),
    load(
        "churn",
        "churn-32",
        32,
        SERVER_CPU,
        Target::Of(NET_FLOORS, 1.08),
    ),
    load(
        "idle",
        "idle-10000",
        10_000,
        Figure::Cost("bytes"),
        Target::Most(500.0),
    )
    .pooled(),
    serve("serve-small", 64, 4 << 10),
    serve("serve-large", 32, 1 << 20),
    alone("nop-1", RING, RING_PEERS, ("nop", 500_000, &["1"]))
        .of("ops")
        .to(Target::Of(&["floor"], 1.35)),
    alone("nop-128", RING, RING_PEERS, ("nop", 500_000, &["128"]))
        .of("ops")
        .to(Target::Of(&["floor"], 1.6)),
    alone("zero-1", FILES, RING_PEERS, ("zero", 300_000, &["1"]))
        .of("ops")
        .to(Target::Of(&["floor", "floor registered"], 1.3)),
    alone("zero-128", FILES, RING_PEERS, ("zero", 300_000, &["128"]))
        .of("ops")
        .to(Target::Of(&["floor", "floor registered"], 1.4)),
    alone("read-1", FILES, PEERS, ("read", 150_000, &["1", "4096"]))
        .of("files")
        .to(Target::Of(&["plain calls"], 1.15)),
    alone("read-32", FILES, PEERS, ("read", 150_000, &["32", "4096"]))
        .of("files")
        .to(Target::Of(&["floor"], 1.08)),
    alone(
        "read-128",
        FILES,
        PEERS,
        ("read", 150_000, &["128", "4096"]),
    )
    .of("files")
    .to(Target::Of(&["floor"], 1.08)),
    alone(
        "read-32-fixed",
        REGISTERED,
        &[],
        ("read", 150_000, &["32", "4096"]),
    )
    .of("files")
    .to(Target::Of(&["floor registered"], 1.1)),
    alone(
        "read-128-fixed",
        REGISTERED,
        &[],
        ("read", 150_000, &["128", "4096"]),
    )
    .of("files")
    .to(Target::Of(&["floor registered"], 1.1)),
    alone("write-1", FILES, PEERS, ("write", 20_000, &["1", "4096"]))
        .of("files")
        .to(Target::Of(&["floor"], 1.03)),
    alone("write-32", FILES, PEERS, ("write", 20_000, &["32", "4096"]))
        .of("files")
        .to(Target::Of(&["floor"], 1.03)),
    alone(
        "open-read-close-1",
        OPENS,
        PEERS,
        ("open-read-close", 20_000, &["1"]),
    )
    .of("files")
    .to(Target::Of(&["floor"], 1.0)),
    alone(
        "open-read-close-32",
        OPENS,
        PEERS,
        ("open-read-close", 20_000, &["32"]),
    )
    .of("files")
    .to(Target::Of(&["floor"], 1.0)),
    alone("open-drop-1", OPENS, PEERS, ("open-drop", 20_000, &["1"]))
        .of("files")
        .to(Target::Of(&["floor"], 1.0)),
    alone("open-drop-32", OPENS, PEERS, ("open-drop", 20_000, &["32"]))
        .of("files")
        .to(Target::Of(&["floor"], 1.0)),
    alone("spawn-1", TASKS, PEERS, ("spawn", 1_000_000, &["1"]))
        .of("tasks")
        .to(Target::Of(&["mini"], 1.05)),
    alone("spawn-wave", TASKS, PEERS, ("spawn", 1_000_000, &["1000"]))
        .of("tasks")
        .to(Target::Of(&["mini"], 1.25)),
    alone("yield-1", TASKS, PEERS, ("yield", 2_000_000, &["1"]))
        .of("tasks")
        .to(Target::Of(&["mini"], 1.15)),
    alone("yield-2", TASKS, PEERS, ("yield", 2_000_000, &["2"]))
        .of("tasks")
        .to(Target::Of(&["mini"], 1.3)),
    alone("yield-1000", TASKS, PEERS, ("yield", 2_000_000, &["1000"]))
        .of("tasks")
        .to(Target::Of(&["mini sound"], 1.0)),
    alone("wake-100", TASKS, PEERS, ("wake", 1_000_000, &["100"]))
        .of("tasks")
        .to(Target::Of(&["mini sound"], 1.0)),
    alone("wake-10k", TASKS, PEERS, ("wake", 1_000_000, &["10000"]))
        .of("tasks")
        .to(Target::Of(&["mini sound"], 1.0)),
    alone(
        "cross-wake-20us",
        WAKES,
        PEERS,
        ("cross-wake", 10_000, &["20"]),
    )
    .of("tasks")
    .to(Target::Of(&["floor msg-ring"], 1.05)),
    alone("start-stop", RING, RING_PEERS, ("start-stop", 300, &[]))
        .of("tasks")
        .to(Target::Of(&["floor"], 1.15)),
    alone("task-memory", TASKS, PEERS, ("task-memory", 100_000, &[]))
        .of("tasks")
        .by(Figure::Cost("bytes"))
        .to(Target::Most(88.0)),
    alone(
        "sleeps-many",
        TASKS,
        PEERS,
        ("sleeps", 1_000_000, &["100000", "100"]),
    )
    .of("timers")
    .by(CPU)
    .to(Target::Of(&["mini"], 1.3)),
    alone(
        "sleeps-few",
        TASKS,
        PEERS,
        ("sleeps", 20_000, &["1000", "50"]),
    )
    .of("timers")
    .by(CPU)
    .to(Target::Of(&["mini"], 1.05)),
    alone(
        "timeout-ready",
        TASKS,
        PEERS,
        ("timeout", 5_000_000, &["ready", "1000"]),
    )
    .of("timers")
    .to(Target::Most(4.0)),
    alone(
        "timeout-yield",
        TASKS,
        PEERS,
        ("timeout", 500_000, &["yield", "1000"]),
    )
    .of("timers")
    .to(Target::Of(&["mini"], 1.1)),
    alone(
        "timeout-op",
        LIMITED,
        RING_PEERS,
        ("timeout", 200_000, &["zero", "1000"]),
    )
    .of("timers")
    .to(Target::Of(&["sakia without a limit"], 1.15)),
    alone(
        "timer-among-1k",
        TASKS,
        PEERS,
        ("timer", 500_000, &["1000"]),
    )
    .of("timers")
    .to(Target::Most(100.0)),
    alone(
        "timer-among-1m",
        AMONG_A_MILLION,
        PEERS,
        ("timer", 500_000, &["1000000"]),
    )
    .of("timers")
    .to(Target::Most(100.0))
    .with(&[Also {
        figure: WALL,
        target: Target::Of(&["sakia among few"], 2.0),
    }]),
];
