//! The mode `serve`: sakia-serve and its twin under wrk, in turns; the server on core 1, the client on core 0.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::rounds::Rounds;

/// A file to be fetched, and by how many connections at a time.
struct Case {
    name: &'static str,
    size: usize,
    connections: u32,
}

const CASES: [Case; 2] = [
    Case {
        name: "4 KiB files",
        size: 4 << 10,
        connections: 64,
    },
    Case {
        name: "1 MiB files",
        size: 1 << 20,
        connections: 32,
    },
];

const SYSTEMS: [&str; 2] = ["sakia-serve", "serve_tokio"];
const SECONDS: &str = "2s";

pub fn run(rounds: usize) -> Result<(), String> {
    let here = std::env::current_exe().map_err(|error| format!("who am I? {error}"))?;
    let programs = here.parent().ok_or("the programs have no folder")?;
    let dir = programs.join("serve-data");
    std::fs::create_dir_all(&dir).map_err(|error| format!("no folder: {error}"))?;
    println!("| mode | sakia-serve, requests/s | tokio twin | rate of sakia-serve / twin |");
    println!("|---|---|---|---|");
    for case in &CASES {
        let file = dir.join(case.size.to_string());
        std::fs::write(&file, vec![7; case.size]).map_err(|error| format!("no file: {error}"))?;
        let mut rates = [Rounds::default(), Rounds::default()];
        for round in 0..rounds {
            // Who comes first changes each round.
            for turn in 0..2 {
                let at = (round + turn) % 2;
                rates[at].add(one(programs, SYSTEMS[at], &dir, case)?);
            }
        }
        let [sakia, twin] = &rates;
        println!(
            "| serve, {}, {} connections | {} | {} | {:.2} |",
            case.name,
            case.connections,
            sakia.show(),
            twin.show(),
            sakia.median() / twin.median()
        );
    }
    Ok(())
}

fn one(programs: &Path, system: &str, dir: &Path, case: &Case) -> Result<f64, String> {
    let server = Server::start(programs.join(system), dir)?;
    let url = format!("{}{}", server.url, case.size);
    let connections = case.connections.to_string();
    let output = Command::new("taskset")
        .args([
            "-c",
            "0",
            "wrk",
            "-t1",
            "-c",
            &connections,
            "-d",
            SECONDS,
            &url,
        ])
        .output()
        .map_err(|error| format!("wrk (package wrk) or taskset cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("{system} failed some requests:\n{text}"));
    }
    text.lines()
        .find_map(|line| {
            line.trim()
                .strip_prefix("Requests/sec:")?
                .trim()
                .parse()
                .ok()
        })
        .ok_or_else(|| {
            format!(
                "wrk said: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            )
        })
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(program: PathBuf, dir: &Path) -> Result<Self, String> {
        let failed = |error| format!("{} cannot be started: {error}", program.display());
        let mut command = Command::new("taskset");
        command.args(["-c", "1"]).arg(&program).arg(dir);
        if program.ends_with("sakia-serve") {
            command.arg("--addr");
        }
        let mut child = command
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        if let Some(out) = &mut child.stdout {
            BufReader::new(out).read_line(&mut line).map_err(failed)?;
        }
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        match url {
            Some(url) => Ok(Self {
                url: url.to_owned(),
                child,
            }),
            None => Err(format!("{} told no URL", program.display())),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
