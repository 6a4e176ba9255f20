//! Ways out with files: each on a plain file system and on overlayfs, where a close on the ring goes to a worker thread.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sakia::Kind;
use sakia::fs::File;
use sakia_tests::{fds, in_child, leaves_nothing, places};

use crate::fuse::{Answer, Behaviour, Served};
use crate::support::{laps, poll_once, quiet_panics, run, run_clean, runtime, until};

const HOUR: Duration = Duration::from_secs(3600);

async fn open_all(paths: &[std::path::PathBuf]) -> Vec<File> {
    let mut files = Vec::new();
    for path in paths {
        files.push(File::open(path).await.expect("the file is there"));
    }
    files
}

fn files_among(fds: &std::collections::BTreeMap<i32, String>, dir: &Path) -> usize {
    fds.values()
        .filter(|target| Path::new(target.as_str()).starts_with(dir))
        .count()
}

/// Row 1.
#[test]
fn files_dropped_as_the_outermost_future_ends_are_closed() {
    in_child(|| {
        for place in places("row 1") {
            let paths = place.files(100);
            let closed = leaves_nothing(|| {
                let runtime = runtime();
                runtime.block_on(async {
                    let files = open_all(&paths).await;
                    assert_eq!(
                        files_among(&fds(), place.path()),
                        100,
                        "the witness sees them open"
                    );
                    drop(files);
                });
                assert_eq!(
                    files_among(&fds(), place.path()),
                    0,
                    "{}: closed before the runtime ends",
                    place.name
                );
                let report = runtime.shutdown(Duration::from_secs(5));
                assert!(report.is_clean(), "{report}");
                report
                    .closed()
                    .iter()
                    .find(|(kind, _)| *kind == Kind::File)
                    .map(|(_, n)| *n)
            });
            assert_eq!(closed, Some(100), "{}: each closed once", place.name);
        }
    });
}

/// Row 2.
#[test]
fn files_in_tasks_that_sleep_for_an_hour_are_closed_as_the_runtime_ends() {
    in_child(|| {
        for place in places("row 2") {
            let paths = place.files(100);
            leaves_nothing(|| {
                let runtime = runtime();
                runtime.block_on(async {
                    for path in paths {
                        sakia::spawn(async move {
                            let _file = File::open(&path).await.expect("the file is there");
                            sakia::time::sleep(HOUR).await;
                        });
                    }
                    while files_among(&fds(), place.path()) < 100 {
                        laps(1).await;
                    }
                });
                let report = runtime.shutdown(Duration::from_secs(5));
                assert!(report.is_clean(), "{report}");
                assert_eq!(report.tasks_dropped(), 100);
            });
        }
    });
}

/// An open that is not answered on the spot, though the file is there: it might have to make it.
fn open_by_the_ring(path: &Path) -> sakia::fs::Open {
    File::options().write(true).create(true).open(path)
}

/// Row 4.
#[test]
fn an_open_polled_once_and_dropped_leaves_no_descriptor_while_the_runtime_runs_on() {
    in_child(|| {
        for place in places("row 4") {
            let path = place.files(1).remove(0);
            run_clean(async {
                let before = fds();
                for _ in 0..1000 {
                    let mut open = pin!(open_by_the_ring(&path));
                    assert!(poll_once(&mut open).is_pending());
                }
                until(|| fds() == before).await;
                for _ in 0..1000 {
                    // These arrive at their first poll, as long as the task may be answered on the spot.
                    drop(poll_once(&mut pin!(File::open(&path))));
                }
                until(|| fds() == before).await;
                assert_eq!(File::open(&path).await.map(drop).ok(), Some(()));
            });
        }
    });
}

/// Row 5.
#[test]
fn an_open_that_completed_unseen_is_closed_when_its_future_is_dropped() {
    in_child(|| {
        for place in places("row 5") {
            let path = place.files(1).remove(0);
            run_clean(async {
                let before = fds();
                for _ in 0..300 {
                    let mut open = pin!(open_by_the_ring(&path));
                    assert!(poll_once(&mut open).is_pending());
                    while fds() == before {
                        laps(1).await;
                    }
                    // It has arrived: the descriptor is there, and nobody has looked.
                }
                // A worker's answer may still be under way.
                let until = Instant::now() + Duration::from_secs(3);
                while fds() != before && Instant::now() < until {
                    laps(1).await;
                }
                assert_eq!(fds(), before, "{}", place.name);
            });
        }
    });
}

/// Row 14.
#[test]
fn a_panic_in_a_task_ends_that_task_alone_and_closes_its_files_at_once() {
    in_child(|| {
        quiet_panics();
        for place in places("row 14") {
            let paths = place.files(50);
            leaves_nothing(|| {
                let ((), report) = run(async {
                    let before = fds();
                    let other = sakia::spawn(async {
                        sakia::time::sleep(Duration::from_millis(20)).await;
                        7
                    });
                    let panicking = sakia::spawn(async move {
                        let files = open_all(&paths).await;
                        assert_eq!(files.len(), 0, "fifty files are open");
                    });
                    let error = panicking.await.expect_err("its handle tells");
                    assert!(error.is_panic());
                    assert_eq!(fds(), before, "{}: closed at once", place.name);
                    assert_eq!(other.await.expect("the other task goes on"), 7);
                });
                assert!(report.is_clean(), "{report}");
            });
        }
    });
}

/// Row 16.
#[test]
fn an_explicit_close_tells_the_errno() {
    in_child(|| {
        use std::os::fd::{AsFd, AsRawFd};
        for place in places("row 16") {
            let path = place.files(1).remove(0);
            run_clean(async {
                let good = File::open(&path).await.expect("the file is there");
                good.close().await.expect("a good descriptor closes");
                let bad = File::open(&path).await.expect("the file is there");
                let stolen = bad.as_fd().as_raw_fd();
                // Somebody closes the number behind our back: the close must say so.
                // SAFETY: the number is this file's, and nothing else opens descriptors between here and the close below.
                assert_eq!(unsafe { libc::close(stolen) }, 0);
                let error = bad.close().await.expect_err("the descriptor is bad");
                assert_eq!(error.raw_os_error(), Some(libc::EBADF), "{}", place.name);
            });
        }
        full_disk();
    });
}

/// The second half of row 16: what only the disk can refuse.
fn full_disk() {
    run_clean(async {
        let full = sakia::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .await
            .expect("/dev/full is there");
        let (result, _) = full.write_at(b"x".to_vec(), 0).await;
        assert_eq!(
            result.expect_err("the disk is full").raw_os_error(),
            Some(libc::ENOSPC)
        );
        full.close().await.expect("nothing is left to flush");
    });
}

/// Row 16, while it is written: what the disk takes, the errno of what it does not, and the buffer.
#[test]
fn a_write_beyond_the_limit_or_the_disk_tells_the_errno_gives_its_buffer_back_and_leaves_nothing() {
    const NAME: &str = "exits_files::a_write_beyond_the_limit_or_the_disk_tells_the_errno_gives_its_buffer_back_and_leaves_nothing";
    const ROOM: usize = 64 << 10;
    in_child(|| {
        for place in places(NAME) {
            let disk = place.path().join("disk");
            std::fs::create_dir(&disk).expect("a directory can be made");
            match sakia_tests::mount_disk(&disk, ROOM) {
                Ok(()) => refused(&disk.join("file"), ROOM, libc::ENOSPC),
                Err(why) => sakia_tests::skip(NAME, &format!("no disk of its own here: {why}")),
            }
        }
        sakia_tests::set_limit(sakia_tests::Limit::FileSize, ROOM as u64);
        for place in places(NAME) {
            refused(&place.path().join("long"), ROOM, libc::EFBIG);
        }
    });
}

/// Writes more than there is room for, then as much as there is.
fn refused(path: &Path, room: usize, errno: i32) {
    leaves_nothing(|| {
        run_clean(async {
            let file = File::create(path).await.expect("there is room for a name");
            let (result, buf) = file.write_all_at(vec![b'x'; room * 2], 0).await;
            let error = result.expect_err("there is no room");
            assert_eq!(error.raw_os_error(), Some(errno), "{error}");
            assert_eq!(buf.len(), room * 2, "the buffer came back");
            // A drop has nobody to tell and nothing to lose.
            drop(file);
            let file = File::create(path).await.expect("there is room again");
            let (result, _) = file.write_all_at(vec![b'y'; room / 2], 0).await;
            result.expect("there is room for it");
            file.close().await.expect("nothing is left to say");
        });
    });
    let written = std::fs::read(path).expect("the file is there");
    assert!(written == vec![b'y'; room / 2], "{} bytes", written.len());
}

/// Row 16, where the disk is full only at the flush: on a file system with a server behind it a close goes through the close table.
#[test]
fn a_close_on_a_file_system_with_a_server_tells_what_its_flush_says() {
    const NAME: &str =
        "exits_files::a_close_on_a_file_system_with_a_server_tells_what_its_flush_says";
    in_child(|| {
        let behaviour = Behaviour {
            flush: Answer::Errno(libc::ENOSPC),
            ..Behaviour::default()
        };
        let served = match Served::mount(behaviour) {
            Ok(served) => served,
            Err(why) => {
                sakia_tests::skip(NAME, &format!("no FUSE here: {why}"));
                return;
            }
        };
        leaves_nothing(|| {
            let ((), report) = run(async {
                let open = || {
                    sakia::fs::OpenOptions::new()
                        .write(true)
                        .open(served.file())
                };
                let file = open().await.expect("the file is there");
                file.write_at(b"text".to_vec(), 0)
                    .await
                    .0
                    .expect("it takes all");
                let error = file.close().await.expect_err("the disk is full");
                assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
                assert_eq!(served.flushes(), 1, "closed once, not again");
                // A drop has nobody to tell; its close is drained all the same.
                drop(open().await.expect("the file is there"));
            });
            assert!(report.is_clean(), "{report}");
            assert_eq!(report.closes_drained(), 2, "{report}");
        });
        assert_eq!(served.flushes(), 2, "each descriptor closed once");
    });
}

/// Row 17.
#[test]
fn a_close_future_dropped_after_one_poll_or_unpolled_still_closes() {
    in_child(|| {
        for place in places("row 17") {
            let paths = place.files(100);
            leaves_nothing(|| {
                run_clean(async {
                    let before = fds();
                    for file in open_all(&paths).await {
                        drop(file.close());
                    }
                    assert_eq!(fds(), before, "{}: unpolled", place.name);
                    for file in open_all(&paths).await {
                        let mut close = file.close();
                        let _ = poll_once(&mut close);
                    }
                    until(|| fds() == before).await;
                });
            });
        }
    });
}

/// Row 20.
#[test]
fn handles_that_outlive_their_runtime_close_when_they_are_dropped() {
    in_child(|| {
        for place in places("row 20") {
            let paths = place.files(100);
            leaves_nothing(|| {
                let (files, report) = run(open_all(&paths));
                assert!(report.is_clean(), "{report}");
                assert_eq!(
                    report.still_held().len(),
                    100,
                    "the report counts them apart"
                );
                assert_eq!(files_among(&fds(), place.path()), 100, "they are open");
                drop(files);
            });
            leaves_nothing(|| {
                let file = run_clean(async {
                    let file = File::open(&paths[0]).await.expect("the file is there");
                    file.into_std().await.expect("nothing is in flight")
                });
                // A std file crosses threads, and is closed there.
                std::thread::spawn(move || drop(file))
                    .join()
                    .expect("the thread ends");
            });
        }
    });
}

/// Row 21.
#[test]
fn an_open_storm_at_emfile_gets_clear_errors_and_all_works_again_after() {
    in_child(|| {
        for place in places("row 21") {
            let path = place.files(1).remove(0);
            sakia_tests::set_limit(sakia_tests::Limit::Files, 100);
            run_clean(async {
                let held = Rc::new(RefCell::new(Vec::new()));
                let mut tasks = Vec::new();
                for _ in 0..300 {
                    let (path, held) = (path.clone(), held.clone());
                    tasks.push(sakia::spawn(async move {
                        let file = File::open(&path).await?;
                        held.borrow_mut().push(file);
                        Ok::<_, std::io::Error>(())
                    }));
                }
                let mut refused = 0;
                for task in tasks {
                    if let Err(error) = task.await.expect("no task panics") {
                        assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                        refused += 1;
                    }
                }
                assert!(refused > 200, "the limit was reached: {refused}");
                held.borrow_mut().clear();
                for _ in 0..300 {
                    File::open(&path)
                        .await
                        .expect("all works again")
                        .close()
                        .await
                        .expect("it closes");
                }
            });
        }
    });
}

/// Row 23.
#[test]
fn fifty_thousand_files_opened_and_dropped_never_meet_the_limit() {
    in_child(|| {
        for place in places("row 23") {
            let paths = place.files(10);
            sakia_tests::set_limit(sakia_tests::Limit::Files, 1024);
            leaves_nothing(|| {
                run_clean(async {
                    for i in 0..50_000 {
                        let file = File::open(&paths[i % 10]).await;
                        assert!(file.is_ok(), "{}: open {i}: {:?}", place.name, file.err());
                    }
                });
            });
        }
    });
}

/// Row 24.
#[test]
fn a_direct_read_in_flight_keeps_its_buffer_until_the_kernel_is_done() {
    in_child(|| {
        for place in places("row 24") {
            let path = place.path().join("big");
            let size = 256 << 20;
            let made = std::fs::File::create(&path).and_then(|file| file.set_len(size as u64));
            made.expect("a sparse file can be made");
            leaves_nothing(|| direct_read(&path, size, place.name));
            let _ = std::fs::remove_file(&path);
        }
    });
}

fn direct_read(path: &Path, size: usize, place: &str) {
    let runtime = runtime();
    let freed = Rc::new(std::cell::Cell::new(false));
    let started = runtime.block_on(async {
        let mut options = sakia::fs::OpenOptions::new();
        let file = match options
            .read(true)
            .custom_flags(libc::O_DIRECT)
            .open(path)
            .await
        {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                // tmpfs below the overlay knows no O_DIRECT on old kernels: a buffered read is as long.
                File::open(path).await.expect("the file is there")
            }
            Err(error) => panic!("{place}: {error}"),
        };
        let buf = Watched::new(size, freed.clone());
        let mut read = pin!(file.read_at(buf, 0));
        poll_once(&mut read).is_pending()
    });
    assert!(started);
    assert!(
        !freed.get(),
        "{place}: the kernel has it, whoever dropped the future"
    );
    let start = std::time::Instant::now();
    let report = runtime.shutdown(Duration::from_secs(5));
    assert!(start.elapsed() < Duration::from_secs(6));
    // Either the kernel let go (and only then was it freed), or it is set aside.
    assert_eq!(
        freed.get(),
        report.ops_quarantined() == 0,
        "{place}: {report}"
    );
    assert!(
        report.ops_completed() > 0 || report.ops_quarantined() == 1,
        "{report}"
    );
}

/// A page-aligned buffer that tells when it is freed.
struct Watched {
    memory: Vec<u8>,
    start: usize,
    freed: Rc<std::cell::Cell<bool>>,
}

impl Watched {
    fn new(size: usize, freed: Rc<std::cell::Cell<bool>>) -> Self {
        let memory = vec![0; size + 4096];
        let start = memory.as_ptr().align_offset(4096);
        Self {
            memory,
            start,
            freed,
        }
    }

    fn size(&self) -> usize {
        self.memory.len() - 4096
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.freed.set(true);
    }
}

// SAFETY: the memory is the vector's own, on the heap, initialised, and stays where it is when the value is moved.
unsafe impl sakia::buf::IoBuf for Watched {
    fn stable_ptr(&self) -> *const u8 {
        self.memory[self.start..].as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.size()
    }

    fn bytes_total(&self) -> usize {
        self.size()
    }
}

// SAFETY: as above; all of it is initialised from the start.
unsafe impl sakia::buf::IoBufMut for Watched {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.memory[self.start..].as_mut_ptr()
    }

    unsafe fn set_init(&mut self, _: usize) {}
}
