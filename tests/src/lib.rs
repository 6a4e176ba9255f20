//! Helpers of the integration tests: witnesses that do not ask sakia, places to put files, and child processes.
//!
//! A row that looks at its own process, changes limits or ends it runs in a child: libtest's threads share descriptors and limits.

use std::any::type_name;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

mod sys;

pub use sys::{
    Epoll, Limit, at_number, cpu_time, deny_io_uring, drop_to_user, eventfd, fork, has_no_writer,
    mount_disk, mount_overlay, private_mounts, set_limit, unread, unsent, xattr,
};

pub use sys::{UringCall, deny_calls, deny_numbers, play_old_kernel};

const CHILD: &str = "SAKIA_TEST_CHILD";

/// Whether this process is the child of [`in_child`].
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs `body`, a closure of the test itself, in a process of its own, which runs this one test alone.
///
/// # Panics
/// When the child fails, with what it printed.
pub fn in_child<F: FnOnce()>(body: F) {
    if is_child() {
        body();
        return;
    }
    // A closure's type is named after where it stands: the test's crate, its module and function, `{{closure}}`.
    let (_, place) = type_name::<F>().split_once("::").expect("a path");
    let (name, _) = place.rsplit_once("::").expect("the test's own closure");
    let output = run_child(name, &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the child of {name} failed ({}):\n{text}",
        output.status
    );
    assert!(
        text.contains("1 passed"),
        "the child of {name} ran no test: is the body a closure of the test's own?\n{text}"
    );
}

/// Starts the child of [`in_child`] and returns what it printed and how it ended.
///
/// # Panics
/// When no process can be started, or the child does not end within two minutes.
pub fn run_child(name: &str, env: &[(&str, &str)]) -> Output {
    let mut command = child_command(name);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (key, value) in env {
        command.env(key, value);
    }
    finish(name, command)
}

/// The command that runs this one test in a process of its own.
///
/// # Panics
/// When the test binary is not to be found.
pub fn child_command(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test binary has a path"));
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1");
    command
}

/// The same under strace, which sees these system calls of every process and thread of the child's. `None` where there is no strace, or it may not trace.
///
/// # Panics
/// As [`run_child`].
pub fn run_traced(name: &str, calls: &str) -> Option<(Output, String)> {
    let log = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let strace = || {
        let mut strace = Command::new("strace");
        strace.arg("-f").arg("-e").arg(format!("trace={calls}"));
        strace.arg("-o").arg(log.path());
        strace
    };
    let can = strace().arg("true").stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        return None;
    }
    let child = child_command(name);
    let mut command = strace();
    command
        .arg(child.get_program())
        .args(child.get_args())
        .env(CHILD, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = finish(name, command);
    let seen = fs::read_to_string(log.path()).expect("strace has written it");
    Some((output, seen))
}

fn finish(name: &str, mut command: Command) -> Output {
    let mut child = command.spawn().expect("a child can be started");
    let until = Instant::now() + Duration::from_secs(120);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let out = std::thread::spawn(move || read_all(out));
    let err = std::thread::spawn(move || read_all(err));
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the child of {name} hangs:\n{}{}", text(out), text(err));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Output {
        status,
        stdout: out.join().unwrap_or_default(),
        stderr: err.join().unwrap_or_default(),
    }
}

fn read_all(from: Option<impl std::io::Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        let _ = from.read_to_end(&mut bytes);
    }
    bytes
}

fn text(thread: std::thread::JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&thread.join().unwrap_or_default()).into_owned()
}

/// Whether these tests run on the emulated kernel (`cargo xtask emulated`).
pub fn is_emulated() -> bool {
    std::env::var_os("SAKIA_KERNEL").is_some_and(|kernel| kernel == "emulated")
}

/// Says that a test could not run here, and why; `cargo xtask ci` counts it.
pub fn skip(test: &str, why: &str) {
    let line = format!("SKIPPED: {test}: {why}\n");
    print!("{line}");
    if let Some(log) = std::env::var_os("SAKIA_SKIP_LOG") {
        let file = fs::OpenOptions::new().create(true).append(true).open(log);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// Lowers the limit of locked memory to so many bytes and becomes a user of this number, for root is exempt; the kernel counts what each user has locked, so each
/// test takes another one. Where the limit cannot be had the test is skipped, and the answer is false.
pub fn has_memlock(test: &str, user: u32, bytes: u64) -> bool {
    if is_emulated() {
        skip(test, "the emulated kernel locks no memory");
        return false;
    }
    set_limit(Limit::Memlock, bytes);
    let became = drop_to_user(user);
    if let Err(why) = &became {
        let exempt = "root is exempt from the limit, and this process cannot become another user";
        skip(test, &format!("{exempt}: {why}"));
    }
    became.is_ok()
}

/// This process's descriptors and what they lead to, as /proc says it.
///
/// # Panics
/// Without /proc.
pub fn fds() -> BTreeMap<i32, String> {
    let dir = fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    dir.filter_map(|entry| {
        let entry = entry.ok()?;
        let number = entry.file_name().to_str()?.parse().ok()?;
        // The descriptor of this very listing is gone when it is looked at.
        let target = fs::read_link(entry.path()).ok()?;
        Some((number, target.to_string_lossy().into_owned()))
    })
    .filter(|(_, target)| !target.ends_with("/fd"))
    .collect()
}

/// The names of this process's threads. The kernel's idle workers (`iou-wrk-…`) end by themselves and are waited for.
///
/// # Panics
/// Without /proc.
pub fn threads() -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(3);
    loop {
        let names = thread_names();
        if Instant::now() > until || !names.iter().any(|name| name.starts_with("iou-")) {
            return names;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn thread_names() -> Vec<String> {
    let dir = fs::read_dir("/proc/self/task").expect("/proc is mounted");
    let mut names: Vec<String> = dir
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect();
    names.sort();
    names
}

/// How many mappings this process has.
pub fn maps() -> usize {
    fs::read_to_string("/proc/self/maps").map_or(0, |text| text.lines().count())
}

/// Runs `body` and asserts that descriptors and threads are as before. Meant for children of [`in_child`].
///
/// # Panics
/// When something is left.
pub fn leaves_nothing<R>(body: impl FnOnce() -> R) -> R {
    let (before, threads_before) = (fds(), threads());
    let result = body();
    let after = fds();
    assert_eq!(before, after, "descriptors are left");
    // A worker of the kernel's that is just starting still has its maker's name.
    eventually(|| more_than(&threads_before, threads()).is_empty());
    let more = more_than(&threads_before, threads());
    assert!(more.is_empty(), "threads are left: {more:?}");
    result
}

/// What of `after` was not there before. Less is no fault: a worker of an earlier runtime may have been on its way out.
fn more_than(before: &[String], mut after: Vec<String>) -> Vec<String> {
    for name in before {
        if let Some(at) = after.iter().position(|other| other == name) {
            after.swap_remove(at);
        }
    }
    after
}

/// A directory on some file system.
pub struct Place {
    /// Its file system's name.
    pub name: &'static str,
    dir: PathBuf,
    _own: Option<tempfile::TempDir>,
}

impl Place {
    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Makes `n` files of a few bytes and returns their paths.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn files(&self, n: usize) -> Vec<PathBuf> {
        (0..n)
            .map(|i| {
                let path = self.dir.join(format!("file-{i}"));
                fs::write(&path, format!("contents of file {i}\n")).expect("a file can be made");
                path
            })
            .collect()
    }
}

/// The file systems that rows with files run on: where the tests are built (ext4 on most machines), and an overlay in a
/// mount namespace of this thread's own. Call it in a child.
///
/// # Panics
/// When no directory can be made.
pub fn places(test: &str) -> Vec<Place> {
    let own = tempfile::tempdir().expect("a temporary directory can be made");
    let mut places = Vec::new();
    match mount_overlay(own.path()) {
        Ok(dir) => places.push(Place {
            name: "overlayfs",
            dir,
            _own: None,
        }),
        Err(why) => skip(test, &format!("no overlayfs here: {why}")),
    }
    let plain = own.path().join("plain");
    fs::create_dir(&plain).expect("a directory can be made");
    places.push(Place {
        name: "plain",
        dir: plain,
        _own: Some(own),
    });
    places
}

/// Waits until `is` holds, at most three seconds; answers whether it does.
pub fn eventually(mut is: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(3);
    loop {
        if is() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The programs of the page for those who come from elsewhere run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/porting.md")]
struct Porting;

/// The first program of the project's README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
