//! One system in one mode, once: what it says of itself, or what a client says of it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sakia_bench::words::VARIANT;

use super::modes::{Mode, Task};
use super::systems::System;

/// Servers and what runs alone; clients.
const SERVER_CORE: &str = "1";
const CLIENT_CORE: &str = "0";
/// After so many seconds a program hangs.
const PATIENCE: &str = "30";

/// Milliseconds of a client that go before, and that count.
const WARM: usize = 200;
const MEASURED: usize = 300;

/// Ports that are used in turns: those of a ring that was killed are free only a while later.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// The figures of one run, by their names. Empty if the system cannot do it.
pub type Figures = Vec<(String, f64)>;

/// Where runs are made, and how long they are.
pub struct Runs {
    programs: PathBuf,
    data: PathBuf,
    smoke: bool,
    ports: std::iter::Cycle<std::ops::Range<u16>>,
}

impl Runs {
    pub fn new(programs: &Path, data: &Path, smoke: bool) -> Self {
        let mut ports = PORTS.cycle();
        // Two runs at a time, or one after another, do not begin at the same port.
        let skip = std::process::id() as usize * 97 % PORTS.len();
        ports.by_ref().take(skip).for_each(drop);
        let runs = Self {
            programs: programs.to_owned(),
            data: data.to_owned(),
            smoke,
            ports,
        };
        if !smoke {
            // `nice` has no effect between terminals while the kernel groups processes by them.
            let _ = std::fs::write("/proc/self/autogroup", "-20");
        }
        runs
    }

    pub fn one(&mut self, mode: &Mode, system: &System) -> Result<Figures, String> {
        let figures = match mode.task {
            Task::Alone { mode, times, rest } => self.alone(system, mode, times, rest),
            Task::Load {
                client,
                connections,
                bytes,
                depth,
                buf,
            } => self.load(system, client, [connections, bytes, depth], buf),
            Task::Http { connections, size } => self.http(system, connections, size),
        };
        figures.map_err(|why| format!("{} in {}: {why}", system.name, mode.name))
    }

    fn alone(
        &self,
        system: &System,
        mode: &str,
        times: u64,
        rest: &[&str],
    ) -> Result<Figures, String> {
        let times = if self.smoke { times.min(300) } else { times };
        let mut command = self.limited(SERVER_CORE, &self.programs.join(system.program));
        command.env(VARIANT, system.variant);
        command.arg(mode).arg(times.to_string()).args(rest);
        said_by(&mut command).map(|text| figures(&text))
    }

    fn load(
        &mut self,
        system: &System,
        client: &str,
        shape: [usize; 3],
        buf: usize,
    ) -> Result<Figures, String> {
        let port = self.ports.next().ok_or("there are no ports")?;
        let mut command = self.on_core(SERVER_CORE, &self.programs.join(system.program));
        command.env(VARIANT, system.variant).stderr(Stdio::null());
        command.args(["serve", &port.to_string(), &buf.to_string()]);
        let server = Server::start(&mut command)?;
        let [mut connections, bytes, depth] = shape;
        // More rounds tell more than longer ones: what disturbs a machine lasts longer than either. What is measured is not how connections begin: 500 of them, which
        // have all asked at once, come into step with the server over the first 200 ms.
        let (mut warm, mut measured) = (WARM, MEASURED);
        if self.smoke {
            (connections, warm, measured) = (connections.min(50), 10, 50);
        }
        let mut load = self.limited(CLIENT_CORE, &self.programs.join("load"));
        load.args([client, &port.to_string(), &server.0.id().to_string()]);
        load.args([connections, bytes, depth, warm, measured].map(|number| number.to_string()));
        said_by(&mut load).map(|text| figures(&text))
    }

    fn http(&self, system: &System, connections: usize, size: usize) -> Result<Figures, String> {
        let folder = self.data.join("http");
        let failed = |error| format!("no file to serve: {error}");
        std::fs::create_dir_all(&folder).map_err(failed)?;
        std::fs::write(folder.join(size.to_string()), vec![7; size]).map_err(failed)?;
        let mut command = self.on_core(SERVER_CORE, &self.programs.join(system.program));
        command.arg(&folder).stdout(Stdio::piped());
        if system.program == "sakia-serve" {
            command.arg("--addr");
        }
        let mut server = Server::start(command.arg("127.0.0.1:0"))?;
        let url = format!("{}{size}", server.url()?);
        let mut wrk = self.limited(CLIENT_CORE, Path::new("wrk"));
        wrk.args(["-t1", "-d2s", "-c", &connections.to_string(), &url]);
        let text = said_by(&mut wrk).map_err(|why| format!("{why} (wrk is a package)"))?;
        if text.contains("Non-2xx") || text.contains("Socket errors") {
            return Err(format!("some requests have failed:\n{text}"));
        }
        let rate = text.lines().find_map(|line| {
            let rate = line.trim().strip_prefix("Requests/sec:")?;
            rate.trim().parse().ok()
        });
        Ok(rate
            .map(|rate| ("rate".to_owned(), rate))
            .into_iter()
            .collect())
    }

    /// A command in the folder of the data. The smoke takes any core.
    fn on_core(&self, core: &str, program: &Path) -> Command {
        self.command(&[], core, program)
    }

    /// The same, killed if it does not end: a system may hang, and the others are to be measured all the same.
    fn limited(&self, core: &str, program: &Path) -> Command {
        self.command(&["timeout", "-s", "KILL", PATIENCE], core, program)
    }

    fn command(&self, before: &[&str], core: &str, program: &Path) -> Command {
        let on_core = ["nice", "-n", "-15", "taskset", "-c", core];
        let chain = before
            .iter()
            .chain(if self.smoke { &[] } else { &on_core[..] });
        let mut chain = chain.map(OsStr::new).chain([program.as_os_str()]);
        let mut command = Command::new(chain.next().unwrap_or_default());
        command.args(chain).current_dir(&self.data);
        // A group of its own: Ctrl-C at the terminal is for the runner, which ends when this one has ended.
        command.process_group(0);
        command.env("RUST_BACKTRACE", "0");
        command
    }
}

/// What a command has written, if it has ended well.
fn said_by(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    // Of a panic the first lines say it, and it may tell a great deal more.
    let errors: Vec<&str> = errors.trim().lines().take(3).collect();
    Err(format!("{}: {text}{}", output.status, errors.join(" ")))
}

/// Every `name=value` of a text.
fn figures(text: &str) -> Figures {
    text.split_whitespace()
        .filter_map(|word| {
            let (name, value) = word.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// A server, killed at the end.
struct Server(Child);

impl Server {
    fn start(command: &mut Command) -> Result<Self, String> {
        let child = command
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Self(child))
    }

    /// The address that the server of files tells in its first line.
    fn url(&mut self) -> Result<String, String> {
        let mut line = String::new();
        if let Some(out) = &mut self.0.stdout {
            let read = BufReader::new(out).read_line(&mut line);
            read.map_err(|error| format!("it says nothing: {error}"))?;
        }
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        url.map(str::to_owned)
            .ok_or_else(|| format!("it tells no address: {line}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_among_other_words() {
        let found = figures("nop wall_ns=12.5 cpu_ns=x\nbytes=3");
        let expected = [("wall_ns".to_owned(), 12.5), ("bytes".to_owned(), 3.0)];
        assert_eq!(found, expected);
        assert!(figures("na").is_empty());
    }
}
