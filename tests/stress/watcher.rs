//! The watcher: starts the program, sends it seeds, and looks at it from outside after every round.
//!
//! What it holds the program to: /proc/PID/fd as at the start, at once; the threads as at the start, within seconds (the kernel's workers take
//! their time); the allocated bytes and the resident memory within bounds of the first rounds; every peer has seen the end of its
//! connection, at once, and its bytes in order; every round ends.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use sakia_tests::mount_overlay;

use crate::echo::{self, Peers};

/// A round that takes longer hangs.
const ROUND: Duration = Duration::from_secs(60);
/// Rounds in which std and the allocator may still take what they keep.
const WARM_UP: u64 = 50;
/// Allocated bytes that a round may leave: buffers of std's that grow once.
const BYTES: i64 = 64 << 10;
/// Resident memory that fragments may take on top.
const RESIDENT: i64 = 48 << 20;

pub fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos() as u64) % 1_000_000_000
}

pub fn run(time: Duration, seed: u64) -> ExitCode {
    println!("stress: {} s from seed {seed}", time.as_secs());
    let start = Instant::now();
    match watch(time, seed) {
        Ok(told) => {
            println!("stress: {told} in {:.1} s", start.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("stress: {why}");
            ExitCode::FAILURE
        }
    }
}

fn watch(time: Duration, first: u64) -> Result<String, String> {
    let own = tempfile::tempdir().map_err(|error| format!("no directory: {error}"))?;
    // Half of the time on an overlay, where a close goes by way of a worker.
    let overlay = mount_overlay(own.path());
    let plain = own.path().join("plain");
    std::fs::create_dir(&plain).map_err(|error| format!("no directory: {error}"))?;
    let mut dirs = vec![plain];
    match overlay {
        Ok(dir) => dirs.push(dir),
        Err(why) => sakia_tests::skip("stress", &format!("no overlayfs here: {why}")),
    }
    let share = time / dirs.len() as u32;
    let mut told = Vec::new();
    for (i, dir) in dirs.iter().enumerate() {
        let seed = first + i as u64 * 1_000_000;
        told.push(watch_one(share, seed, dir)?);
    }
    Ok(told.join("; "))
}

fn watch_one(time: Duration, first: u64, dir: &Path) -> Result<String, String> {
    let peers = Arc::new(Peers::default());
    let port = echo::serve(&peers).map_err(|error| format!("no peers: {error}"))?;
    let mut program = Program::start(port, dir)?;
    let start = program.look();
    let until = Instant::now() + time;
    let (mut seed, mut warm, mut most) = (first, None, 0);
    while Instant::now() < until {
        let failed = |why: String| format!("seed {seed} on {}: {why}", kind(dir));
        let live = program.round(seed).map_err(failed)?;
        let now = program.look();
        if now.fds != start.fds {
            let why = format!("descriptors were {:?} and are {:?}", start.fds, now.fds);
            return Err(failed(why));
        }
        settle("threads are left", || {
            program.look().threads == start.threads
        })
        .map_err(failed)?;
        settle("a peer was not told the end", || {
            peers.open.load(SeqCst) == 0
        })
        .map_err(failed)?;
        if peers.broken.load(SeqCst) {
            return Err(failed("a peer was sent bytes out of order".into()));
        }
        if seed - first >= WARM_UP {
            let (bytes, resident) = *warm.get_or_insert((live, now.resident));
            most = most.max(live - bytes);
            if live > bytes + BYTES {
                return Err(failed(format!(
                    "{bytes} bytes were allocated, and now {live}"
                )));
            }
            if now.resident > resident + RESIDENT {
                let why = format!("{resident} bytes were resident, and now {}", now.resident);
                return Err(failed(why));
            }
        }
        seed += 1;
    }
    Ok(format!(
        "{}: {} rounds, {} connections to the peers, {} MB, at most {most} bytes over the start",
        kind(dir),
        seed - first,
        peers.served.load(SeqCst),
        peers.bytes.load(SeqCst) / 1_000_000,
    ))
}

fn kind(dir: &Path) -> &'static str {
    if dir.ends_with("plain") {
        "plain"
    } else {
        "overlayfs"
    }
}

/// What should come at once, but may be behind on a loaded machine.
fn settle(why: &str, is: impl FnMut() -> bool) -> Result<(), String> {
    if sakia_tests::eventually(is) {
        Ok(())
    } else {
        Err(why.to_owned())
    }
}

/// The program, as it looks from outside.
#[derive(PartialEq)]
struct Look {
    fds: Vec<(i32, PathBuf)>,
    threads: usize,
    resident: i64,
}

struct Program {
    child: Child,
    seeds: ChildStdin,
    lines: Receiver<String>,
}

impl Program {
    fn start(port: u16, dir: &Path) -> Result<Self, String> {
        let this = std::env::current_exe().map_err(|error| format!("who am I? {error}"))?;
        let mut child = Command::new(this)
            .args(["program", &port.to_string()])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the program cannot be started: {error}"))?;
        let (Some(seeds), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the program has no pipes".into());
        };
        let (line, lines) = channel();
        std::thread::spawn(move || {
            for read in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = line.send(read);
            }
        });
        let mut program = Self {
            child,
            seeds,
            lines,
        };
        // One round before the first look: what std opens once is open then.
        program.round(0)?;
        Ok(program)
    }

    /// Has the program run one round; answers how many bytes it has allocated after it.
    fn round(&mut self, seed: u64) -> Result<i64, String> {
        let sent = writeln!(self.seeds, "{seed}").and_then(|()| self.seeds.flush());
        let line = self.lines.recv_timeout(ROUND);
        match (sent, line) {
            (Ok(()), Ok(line)) => line
                .strip_prefix("done ")
                .and_then(|live| live.parse().ok())
                .ok_or_else(|| format!("the program said `{line}`")),
            (_, Err(RecvTimeoutError::Timeout)) => Err("the round hangs".to_owned()),
            _ => Err(match self.child.wait() {
                Ok(status) => format!("the program ended with {status}"),
                Err(error) => format!("the program is lost: {error}"),
            }),
        }
    }

    fn look(&self) -> Look {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let entries = |what: &str| {
            std::fs::read_dir(proc.join(what))
                .into_iter()
                .flatten()
                .flatten()
        };
        let mut fds: Vec<(i32, PathBuf)> = entries("fd")
            .filter_map(|entry| {
                let number = entry.file_name().to_str()?.parse().ok()?;
                Some((number, std::fs::read_link(entry.path()).ok()?))
            })
            .collect();
        fds.sort();
        let status = std::fs::read_to_string(proc.join("status")).unwrap_or_default();
        let resident = status
            .lines()
            .find_map(|line| {
                line.strip_prefix("RssAnon:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0i64);
        Look {
            fds,
            threads: entries("task").count(),
            resident: resident * 1024,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
