//! Pipes and FIFOs, with std and with another process at the other end.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use sakia_io::{AsyncReadExt, AsyncWriteExt};
use sakia_net::pipe::{Receiver, Sender, pipe};

use crate::common::{forking, laps, pends, run};
use futures_util::join;

#[test]
fn a_child_is_written_to_and_read_from_to_its_end() {
    let mut child = forking(|| {
        let cat = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        cat.unwrap()
    });
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    run(async move {
        let stdin = Sender::from_owned_fd(stdin.into()).unwrap();
        let stdout = Receiver::from_owned_fd(stdout.into()).unwrap();
        let text = vec![b'x'; 300_000];
        let write = async {
            stdin.write_all(text.clone()).await.0.unwrap();
            drop(stdin);
        };
        let (read, ()) = join!(stdout.read_to_end(Vec::new()), write);
        assert_eq!(read.0.unwrap(), 300_000);
        assert!(read.1 == text);
    });
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_end_of_std_becomes_ours_and_ours_std_with_what_was_left_over() {
    run(async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let receiver = Receiver::from_std(reader).unwrap();
        let mut read = receiver.read(Vec::with_capacity(8));
        pends(&mut read).await;
        laps(1).await;
        writer.write_all(b"left").unwrap();
        laps(3).await;
        drop(read);
        writer.write_all(b"later").unwrap();
        let (mut reader, leftovers) = receiver.into_std().await.unwrap();
        assert_eq!(leftovers.bytes, b"left");
        drop(writer);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "later");
    });
}

#[test]
fn what_is_no_pipe_is_refused_and_a_fifo_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    forking(|| {
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
    });
    run(async {
        let file: OwnedFd = tempfile::tempfile().unwrap().into();
        let error = Receiver::from_owned_fd(file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let both = std::fs::File::options()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let sender = Sender::from_owned_fd(both.try_clone().unwrap().into()).unwrap();
        let receiver = Receiver::from(OwnedFd::from(both));
        sender.write_all("through").await.0.unwrap();
        assert_eq!(receiver.read(Vec::with_capacity(16)).await.1, b"through");
        // The kernel cannot say at once whether it would wait, and so nothing is tried that might.
        let error = receiver.try_read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            sender.try_write(b"x").unwrap_err().kind(),
            ErrorKind::Unsupported
        );
    });
}

#[test]
fn the_traits_read_and_write_a_pipe_and_nobody_to_read_is_a_broken_one() {
    run(async {
        let (mut sender, mut receiver) = pipe().unwrap();
        sender.write_all("by the trait").await.0.unwrap();
        let (result, buf) = AsyncReadExt::read_exact(&mut receiver, Box::new([0; 12])).await;
        result.unwrap();
        assert_eq!(*buf, *b"by the trait");
        drop(receiver);
        AsyncWriteExt::write_all(&mut sender, "x")
            .await
            .0
            .unwrap_err();
        let error = sender.writev(["x", "y"]).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let error = sender.try_write(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}
