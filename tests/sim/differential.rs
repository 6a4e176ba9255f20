//! One program, each kernel: what the model says is what Linux says, result for result and errno for errno.
//!
//! The programs here await each step, so that nothing in them is left open to chance.

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use sakia::Runtime;
use sakia::fs::{self, File};
use sakia::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use sakia::prelude::*;
use sakia::sim::{self, SimConfig};

use crate::dice::Dice;
use crate::seeds::seeds;

/// What a program has seen, a line a step.
type Log = Vec<String>;
type Program = fn(PathBuf, u64) -> Pin<Box<dyn Future<Output = Log>>>;

fn on_uring(program: Program, seed: u64) -> Log {
    let base = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(program(base.path().to_path_buf(), seed))
}

fn on_the_model(program: Program, seed: u64) -> Log {
    sim::run(SimConfig::new(seed), |_| program("/tmp".into(), seed))
}

fn compare(program: Program, seed: u64) {
    let (linux, model) = (on_uring(program, seed), on_the_model(program, seed));
    for (at, (linux, model)) in linux.iter().zip(&model).enumerate() {
        assert_eq!(linux, model, "Linux and the model, seed {seed}, step {at}");
    }
    assert_eq!(linux.len(), model.len(), "seed {seed}");
}

fn say<T: std::fmt::Debug>(what: &str, result: &io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{what}: {value:?}"),
        Err(error) => format!("{what}: {:?} {:?}", error.kind(), error.raw_os_error()),
    }
}

async fn step_on_names(base: &Path, dice: &Dice) -> String {
    let names = [
        "a", "b", "d", "d/x", "d/y", "l", "a/no", "no/no", "d/", "d/../a",
    ];
    let name = |dice: &Dice| names[dice.below(names.len())];
    let (first, second) = (name(dice), name(dice));
    let (one, other) = (base.join(first), base.join(second));
    match dice.below(8) {
        0 => say(&format!("mkdir {first}"), &fs::create_dir(&one).await),
        1 => say(&format!("rmdir {first}"), &fs::remove_dir(&one).await),
        2 => say(&format!("rm {first}"), &fs::remove_file(&one).await),
        3 => say(
            &format!("mv {first} {second}"),
            &fs::rename(&one, &other).await,
        ),
        4 => say(
            &format!("ln {first} {second}"),
            &fs::hard_link(&one, &other).await,
        ),
        5 => say(
            &format!("ln -s {first} {second}"),
            &fs::symlink(Path::new(first), &other).await,
        ),
        6 => {
            let found = fs::symlink_metadata(&one).await;
            let found = found.map(|data| (data.is_dir(), data.file_type().is_symlink()));
            say(&format!("lstat {first}"), &found)
        }
        _ => {
            let found = fs::metadata(&one).await;
            let found = found.map(|data| (data.is_dir(), data.is_file().then(|| data.len())));
            say(&format!("stat {first}"), &found)
        }
    }
}

async fn step_on_files(base: &Path, dice: &Dice, open: &mut Vec<File>) -> String {
    let name = ["a", "b", "d/x", "l", "d"][dice.below(5)];
    if open.is_empty() || dice.one_in(4) {
        let mut options = File::options();
        let bit = || dice.one_in(2);
        let bits = [bit(), bit(), bit(), bit(), bit(), bit()];
        let [read, write, create, truncate, append, new] = bits;
        options.read(read).write(write).create(create);
        options
            .truncate(truncate && write)
            .append(append)
            .create_new(new && dice.one_in(3));
        let opened = options.open(base.join(name)).await;
        let line = say(
            &format!("open {name} {bits:?}"),
            &opened.as_ref().map_err(again).map(drop),
        );
        open.extend(opened.ok());
        return line;
    }
    let which = dice.below(open.len());
    let (at, len) = (dice.below(300) as u64, dice.below(200));
    let file = &open[which];
    match dice.below(7) {
        0 => {
            let (result, bytes) = file.read_at(Vec::with_capacity(len).slice(..len), at).await;
            let text = say("read_at", &result);
            format!("{text} {:?}", &bytes.into_inner()[..result.unwrap_or(0)])
        }
        1 => say("write_at", &file.write_at(vec![len as u8; len], at).await.0),
        2 => {
            let (result, bytes) = file.read(Vec::with_capacity(len).slice(..len)).await;
            let text = say("read", &result);
            format!("{text} {:?}", &bytes.into_inner()[..result.unwrap_or(0)])
        }
        3 => say("write", &file.write(vec![at as u8; len]).await.0),
        4 => say("set_len", &file.set_len(at).await),
        5 => {
            let data = file
                .metadata()
                .await
                .map(|data| (data.len(), data.is_dir()));
            say(
                "fstat",
                &data.map(|(len, dir)| (if dir { 0 } else { len }, dir)),
            )
        }
        _ => {
            let closed = open.remove(which).close().await;
            say("close", &closed)
        }
    }
}

fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => error.kind().into(),
    }
}

fn files(base: PathBuf, seed: u64) -> Pin<Box<dyn Future<Output = Log>>> {
    Box::pin(async move {
        let dice = Dice::new(seed, 5);
        let mut open = Vec::new();
        let mut log = Vec::new();
        for _ in 0..60 {
            log.push(if dice.one_in(2) {
                step_on_names(&base, &dice).await
            } else {
                step_on_files(&base, &dice, &mut open).await
            });
        }
        log
    })
}

/// What comes to a stream until `enough` bytes are there, or its end, or an error.
async fn gather(stream: &TcpStream, enough: usize) -> String {
    let mut all = Vec::new();
    while all.len() < enough {
        let (result, bytes) = stream.read(Vec::with_capacity(64)).await;
        match result {
            Ok(0) => break,
            Ok(_) => all.extend(bytes),
            Err(error) => return format!("{all:?} then {:?}", error.kind()),
        }
    }
    format!("{all:?}")
}

fn streams(base: PathBuf, _: u64) -> Pin<Box<dyn Future<Output = Log>>> {
    Box::pin(async move {
        let mut log = Vec::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        log.push(say("bind again", &TcpListener::bind(addr).await.map(drop)));
        let client = TcpStream::connect(addr).await.unwrap();
        let (served, peer) = listener.accept().await.unwrap();
        log.push(format!(
            "peer is the client: {}",
            peer == client.local_addr().unwrap()
        ));
        log.push(say("write", &client.write_all(b"hello".to_vec()).await.0));
        log.push(say("peek", &served.peek(Vec::with_capacity(64)).await.0));
        log.push(gather(&served, 5).await);
        log.push(say("try_read", &served.try_read(&mut [0; 4])));
        log.push(say("shutdown", &client.shutdown(Shutdown::Write)));
        log.push(say("write after it", &client.write(b"x".to_vec()).await.0));
        log.push(gather(&served, 1).await);
        log.push(say("back", &served.write_all(b"back".to_vec()).await.0));
        log.push(gather(&client, 4).await);
        drop(served);
        log.push(gather(&client, 1).await);
        log.push(say(
            "shutdown again",
            &client.shutdown(Shutdown::Read).map_err(|e| again(&e)),
        ));
        drop((client, listener));
        log.push(say("nobody", &TcpStream::connect(addr).await.map(drop)));

        let path = base.join("socket");
        let listener = UnixListener::bind(&path).await.unwrap();
        log.push(say(
            "bind again",
            &UnixListener::bind(&path).await.map(drop),
        ));
        let client = UnixStream::connect(&path).await.unwrap();
        let (served, peer) = listener.accept().await.unwrap();
        log.push(format!("unnamed: {}", peer.is_unnamed()));
        log.push(say("write", &client.write_all(b"unread".to_vec()).await.0));
        let _ = served.readable().await;
        drop(served);
        log.push(say("reset", &client.read(vec![0; 4]).await.0));
        log.push(say("end", &client.read(vec![0; 4]).await.0));
        log.push(say("write", &client.write(b"x".to_vec()).await.0));
        drop(listener);
        log.push(say("nobody", &UnixStream::connect(&path).await.map(drop)));
        log.push(say("rm", &fs::remove_file(&path).await));
        log.push(say("nothing", &UnixStream::connect(&path).await.map(drop)));
        log
    })
}

fn datagrams(_: PathBuf, _: u64) -> Pin<Box<dyn Future<Output = Log>>> {
    Box::pin(async move {
        let mut log = Vec::new();
        let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = other.local_addr().unwrap();
        log.push(say("no peer", &one.send(vec![1]).await.0));
        log.push(say("send_to", &one.send_to(vec![1, 2, 3], to).await.0));
        let (result, bytes) = other.peek_from(Vec::with_capacity(64)).await;
        log.push(format!(
            "{} {bytes:?}",
            say("peek", &result.map(|(n, _)| n))
        ));
        let (result, _) = other.recv_from(Vec::with_capacity(64).slice(..2)).await;
        log.push(say(
            "cut",
            &result.map(|(n, from)| (n, from == one.local_addr().unwrap())),
        ));
        one.connect(to).await.unwrap();
        log.push(say("send", &one.send(Vec::new()).await.0));
        log.push(say("empty", &other.recv(Vec::with_capacity(64)).await.0));
        log.push(say("too long", &one.send(vec![0; 70_000]).await.0));
        drop(other);
        log.push(say("send", &one.send(vec![4]).await.0));
        log.push(say("refused", &one.recv(Vec::with_capacity(64)).await.0));
        log
    })
}

#[test]
fn files_and_names_answer_as_on_linux() {
    for seed in seeds() {
        compare(files, seed);
    }
}

#[test]
fn streams_answer_as_on_linux() {
    for seed in 0..10 {
        compare(streams, seed);
    }
}

#[test]
fn datagrams_answer_as_on_linux() {
    for seed in 0..10 {
        compare(datagrams, seed);
    }
}
