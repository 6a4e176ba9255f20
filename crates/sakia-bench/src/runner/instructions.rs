//! Instructions an op, counted by valgrind: unlike times they do not waver, so each has a bound that CI holds.
//!
//! A program runs twice, the second time with twice the ops; what it takes more is theirs. The kernel's instructions are not among them: it is what the
//! runtime adds. The bounds are what was found, and a tenth, for the compiler has a say in it; who makes something cheaper lowers its bound.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use sakia_bench::words::VARIANT;

use super::Folders;

/// What is done.
enum Work {
    /// `MODE TIMES REST…` of a program; the floor is a program, and its variant.
    Ops {
        words: &'static [&'static str],
        times: u64,
        warmed: bool,
        floor: (&'static str, &'static str),
    },
    /// A request on each of so many connections, and its answer, by a variant of sakia. The floor never ends, so it has no count.
    Echo {
        connections: u64,
        variant: &'static str,
    },
    /// A connection that comes, has one request answered, and goes: so many, one after another.
    Churn { connections: u64 },
}

struct Row {
    name: &'static str,
    work: Work,
    /// At most so many instructions of sakia's an op.
    most: f64,
}

const FLOOR: (&str, &str) = ("floor", "single-shot");
const MINI: (&str, &str) = ("mini", "sound");

/// A mode of which a tenth goes before, as a warm-up.
const fn ops(
    name: &'static str,
    words: &'static [&'static str],
    times: u64,
    floor: (&'static str, &'static str),
    most: f64,
) -> Row {
    let work = Work::Ops {
        words,
        times,
        warmed: true,
        floor,
    };
    Row { name, work, most }
}

/// A mode without a warm-up.
const fn cold(mut row: Row) -> Row {
    if let Work::Ops { warmed, .. } = &mut row.work {
        *warmed = false;
    }
    row
}

const fn echo(name: &'static str, connections: u64, variant: &'static str, most: f64) -> Row {
    let work = Work::Echo {
        connections,
        variant,
    };
    Row { name, work, most }
}

const fn churn(name: &'static str, connections: u64, most: f64) -> Row {
    let work = Work::Churn { connections };
    Row { name, work, most }
}

const ROWS: &[Row] = &[
    echo("echo-1", 1, "", 2370.0),
    echo("echo-50", 50, "", 1445.0),
    echo("echo-1-pooled", 1, "pooled", 3000.0),
    echo("echo-50-pooled", 50, "pooled", 1740.0),
    // Whether a request is there when its connection is accepted is a matter of luck, and up to a fifth where others work.
    churn("churn", 300, 5_900.0),
    ops("nop-1", &["nop", "1"], 2_000, FLOOR, 940.0),
    ops("nop-128", &["nop", "128"], 12_800, FLOOR, 495.0),
    ops("zero-1", &["zero", "1"], 2_000, FLOOR, 407.0),
    // By the ring, which takes more of ours and less of the kernel's.
    ops("zero-128", &["zero", "128"], 12_800, FLOOR, 730.0),
    ops("read-1", &["read", "1", "4096"], 2_000, FLOOR, 427.0),
    ops("read-32", &["read", "32", "4096"], 3_200, FLOOR, 421.0),
    ops("write-1", &["write", "1", "4096"], 1_000, FLOOR, 1165.0),
    ops(
        "open-read-close-1",
        &["open-read-close", "1"],
        1_000,
        FLOOR,
        3350.0,
    ),
    ops("open-drop-1", &["open-drop", "1"], 1_000, FLOOR, 2790.0),
    ops("spawn-1", &["spawn", "1"], 10_000, MINI, 815.0),
    ops("spawn-wave", &["spawn", "1000"], 20_000, MINI, 585.0),
    ops("yield-1", &["yield", "1"], 20_000, MINI, 294.0),
    ops("yield-1000", &["yield", "1000"], 20_000, MINI, 146.0),
    cold(ops("wake-100", &["wake", "100"], 20_000, MINI, 245.0)),
    ops(
        "timeout-ready",
        &["timeout", "ready", "1000"],
        10_000,
        MINI,
        30.0,
    ),
    ops(
        "timeout-yield",
        &["timeout", "yield", "1000"],
        10_000,
        MINI,
        685.0,
    ),
    ops("timer-among-1k", &["timer", "1000"], 10_000, MINI, 432.0),
];

/// Counts all rows. What takes more than its bound is an error, after all have been counted.
pub fn run() -> Result<(), String> {
    let folders = Folders::find(true)?;
    folders.make_data(true)?;
    let counter = Counter {
        programs: folders.programs,
        data: folders.data,
    };
    println!(
        "{:<18} {:>8} {:>8} {:>8}",
        "an op of", "sakia", "floor", "bound"
    );
    let mut over = Vec::new();
    for row in ROWS {
        let (sakia, floor) = counter.row(row)?;
        let floor = floor.map_or("–".to_owned(), |floor| format!("{floor:.1}"));
        println!("{:<18} {sakia:>8.1} {floor:>8} {:>8.0}", row.name, row.most);
        if sakia > row.most {
            over.push(format!("{}: {sakia:.1}, at most {:.0}", row.name, row.most));
        }
    }
    match over.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "more instructions an op than there may be: {}",
            over.join("; ")
        )),
    }
}

struct Counter {
    programs: PathBuf,
    data: PathBuf,
}

impl Counter {
    /// Instructions an op, of sakia and of the floor, if it counts it.
    fn row(&self, row: &Row) -> Result<(f64, Option<f64>), String> {
        let of = |program: &str, variant: &str| -> Result<f64, String> {
            let count = |by| self.count(&row.work, program, variant, by);
            Ok(count(2)?.saturating_sub(count(1)?) as f64 / row.work.ops())
        };
        let both = || match row.work {
            Work::Ops { floor, .. } => Ok((of("sakia", "")?, Some(of(floor.0, floor.1)?))),
            Work::Echo { variant, .. } => Ok((of("sakia", variant)?, None)),
            Work::Churn { .. } => Ok((of("sakia", "")?, None)),
        };
        both().map_err(|why: String| format!("{}: {why}", row.name))
    }

    /// All instructions of a run with so many times the ops.
    fn count(&self, work: &Work, program: &str, variant: &str, by: u64) -> Result<u64, String> {
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(self.programs.join(program))
            .env(VARIANT, variant)
            .current_dir(&self.data)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        match *work {
            Work::Ops { words, times, .. } => {
                command.arg(words[0]).arg((times * by).to_string());
                collected(start(command.args(&words[1..]))?)
            }
            Work::Echo { connections, .. } => {
                self.served(command, connections, "steps", &[connections, ROUNDS * by])
            }
            Work::Churn { connections } => {
                let all = connections * by;
                self.served(command, all, "visits", &[all])
            }
        }
    }

    /// The same of a server of so many connections, and a client.
    fn served(
        &self,
        mut server: Command,
        connections: u64,
        client: &str,
        words: &[u64],
    ) -> Result<u64, String> {
        let port = free_port()?.to_string();
        let mut server = start(server.args(["echo", &port, &connections.to_string()]))?;
        let client = Command::new(self.programs.join("load"))
            .args([client, &port])
            .args(words.iter().map(u64::to_string))
            .status();
        match client {
            Ok(status) if status.success() => collected(server),
            other => {
                let _ = server.kill();
                Err(format!("the client: {other:?}"))
            }
        }
    }
}

/// How often each connection of an echo sends.
const ROUNDS: u64 = 100;

impl Work {
    /// How many ops the second run has more than the first.
    fn ops(&self) -> f64 {
        match *self {
            Self::Ops { times, warmed, .. } => {
                let times = times as f64;
                if warmed { times * 1.1 } else { times }
            }
            Self::Echo { connections, .. } => (connections * ROUNDS) as f64,
            Self::Churn { connections } => connections as f64,
        }
    }
}

fn start(command: &mut Command) -> Result<Child, String> {
    command
        .spawn()
        .map_err(|error| format!("{error} (valgrind is a package)"))
}

/// The count that valgrind tells at the end of a program.
fn collected(mut child: Child) -> Result<u64, String> {
    let mut text = String::new();
    if let Some(said) = &mut child.stderr {
        let _ = said.read_to_string(&mut text);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{status}: {text}"));
    }
    count_in(&text).ok_or_else(|| format!("valgrind tells no count: {text}"))
}

fn count_in(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    address
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_valgrind_says() {
        let text = "==7== Events    : Ir\n==7== Collected : 4431162\n==7== \n";
        assert_eq!(count_in(text), Some(4_431_162));
        assert_eq!(count_in("==7== Process terminating"), None);
    }
}
