//! Ways out past what hangs: a file system whose server does not answer. The test is the server (`fuse.rs`).

use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use sakia::fs::{File, OpenOptions};
use sakia::{FdState, Kind};
use sakia_tests::{at_number, eventually, fds, in_child, leaves_nothing, skip};

use crate::fuse::{Answer, Behaviour, CONTENTS, Served};
use crate::support::{poll_once, run, run_clean, runtime, until};

const DEADLINE: Duration = Duration::from_millis(100);
/// What a machine that others use as well may add to a deadline; what is not bounded by it waits for ever.
const SLACK: Duration = Duration::from_secs(2);

/// The file system, or a skip.
fn serve(test: &str, behaviour: Behaviour) -> Option<Served> {
    let served = Served::mount(behaviour);
    served
        .map_err(|why| skip(test, &format!("no FUSE here: {why}")))
        .ok()
}

/// Ends a runtime whose ring cannot become quiet: by the deadline, not before and not long after.
fn end_late(runtime: sakia::Runtime) -> sakia::ShutdownReport {
    let start = Instant::now();
    let report = runtime.shutdown(DEADLINE);
    let took = start.elapsed();
    assert!(took >= DEADLINE && took < DEADLINE + SLACK, "{took:?}");
    assert!(!report.is_clean(), "{report}");
    report
}

/// A buffer that leaves what it holds when it is freed.
struct Will {
    memory: Vec<u8>,
    left: Rc<RefCell<Option<Vec<u8>>>>,
}

impl Drop for Will {
    fn drop(&mut self) {
        *self.left.borrow_mut() = Some(std::mem::take(&mut self.memory));
    }
}

// SAFETY: the memory is the vector's own, on the heap, initialised, and stays where it is when the value is moved.
unsafe impl sakia::buf::IoBuf for Will {
    fn stable_ptr(&self) -> *const u8 {
        self.memory.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.memory.len()
    }

    fn bytes_total(&self) -> usize {
        self.memory.len()
    }
}

// SAFETY: as above; all of it is initialised from the start.
unsafe impl sakia::buf::IoBufMut for Will {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.memory.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, _: usize) {}
}

/// Row 25.
#[test]
fn a_read_that_no_cancel_ends_does_not_hold_up_the_end_and_keeps_its_memory_for_the_kernel() {
    const NAME: &str = "exits_stuck::a_read_that_no_cancel_ends_does_not_hold_up_the_end_and_keeps_its_memory_for_the_kernel";
    in_child(|| {
        // Direct reads ask the server even when the kernel is told not to wait.
        for direct in [false, true] {
            let behaviour = Behaviour {
                read: Answer::Held(0),
                direct,
                ..Behaviour::default()
            };
            let Some(served) = serve(NAME, behaviour) else {
                return;
            };
            stuck_read(&served);
            // The kernel tells its server of the last close, but does not wait for it.
            assert!(eventually(|| served.releases() > 0));
            assert_eq!(served.releases(), 1, "its file was closed, once");
        }
    });
}

fn stuck_read(served: &Served) {
    leaves_nothing(|| {
        let left = Rc::new(RefCell::new(None));
        let runtime = runtime();
        runtime.block_on(async {
            let file = File::open(served.file()).await.expect("the file is there");
            let buf = Will {
                memory: vec![0; 64],
                left: left.clone(),
            };
            let mut read = Box::pin(file.read_at(buf, 0));
            assert!(poll_once(&mut read).is_pending());
            until(|| served.reads() == 1).await;
        });
        let report = end_late(runtime);
        assert_eq!(report.ops_quarantined(), 1, "{report}");
        assert_eq!(report.quarantined().collect::<Vec<_>>(), [("READ", 1)]);
        assert!(
            report.to_string().contains("quarantined  1 READ"),
            "{report}"
        );
        assert!(left.borrow().is_none(), "nothing was freed");
        // The server answers now, and the kernel writes to memory that must still be there.
        served.let_go();
        // The thread's next runtime looks after what the last one had to leave.
        assert!(eventually(|| {
            run_clean(async {});
            left.borrow().is_some()
        }));
        let left = left.borrow_mut().take().expect("as waited for");
        assert_eq!(&left[..CONTENTS.len()], CONTENTS, "written after the end");
    });
}

/// FUSE asks its server at every close, also of what was only read and of what nobody has seen.
#[test]
fn no_drop_waits_for_the_flush_of_a_file_that_was_only_read_or_whose_open_was_dropped() {
    const NAME: &str = "exits_stuck::no_drop_waits_for_the_flush_of_a_file_that_was_only_read_or_whose_open_was_dropped";
    in_child(|| {
        let behaviour = Behaviour {
            flush: Answer::Held(0),
            ..Behaviour::default()
        };
        let Some(served) = serve(NAME, behaviour) else {
            return;
        };
        leaves_nothing(|| {
            let runtime = runtime();
            runtime.block_on(async {
                let file = File::open(served.file()).await.expect("the file is there");
                let (read, _) = file.read_at(vec![0; 64], 0).await;
                assert_eq!(read.expect("it is answered"), CONTENTS.len());
                let other = File::open(served.file()).await.expect("the file is there");
                let mut unseen = Box::pin(File::open(served.file()));
                assert!(poll_once(&mut unseen).is_pending());
                let path = served.file().to_str().expect("a temporary path is text");
                until(|| fds().values().filter(|to| *to == path).count() == 3).await;
                let start = Instant::now();
                drop((file, other, unseen));
                until(|| served.flushes() == 3).await;
                assert!(start.elapsed() < SLACK, "a drop waited for the server");
            });
            let report = end_late(runtime);
            assert_eq!(report.closes_in_doubt().len(), 3, "{report}");
            served.let_go();
            assert!(eventually(|| served.releases() == 3));
            run_clean(async {});
        });
        assert_eq!((served.flushes(), served.releases()), (3, 3), "closed once");
    });
}

/// Opens the served file, writes to it, and drops it: the drop must not wait for the server.
async fn write_and_drop(served: &Served) -> RawFd {
    let file = OpenOptions::new()
        .write(true)
        .open(served.file())
        .await
        .expect("the file is there");
    let (written, _) = file.write_at(b"text".to_vec(), 0).await;
    assert_eq!(written.expect("it takes all"), 4);
    let number = file.as_fd().as_raw_fd();
    let start = Instant::now();
    drop(file);
    assert!(start.elapsed() < SLACK, "the drop waited for the server");
    number
}

/// Row 39.
#[test]
fn a_close_whose_flush_hangs_is_left_in_doubt_and_its_number_is_never_closed_again() {
    const NAME: &str = "exits_stuck::a_close_whose_flush_hangs_is_left_in_doubt_and_its_number_is_never_closed_again";
    in_child(|| {
        let behaviour = Behaviour {
            flush: Answer::Held(0),
            ..Behaviour::default()
        };
        let Some(served) = serve(NAME, behaviour) else {
            return;
        };
        leaves_nothing(|| {
            let runtime = runtime();
            let number = runtime.block_on(async {
                let number = write_and_drop(&served).await;
                until(|| served.flushes() == 1).await;
                number
            });
            let report = end_late(runtime);
            let doubts: Vec<_> = report
                .closes_in_doubt()
                .iter()
                .map(|fd| (fd.kind, fd.number, fd.state))
                .collect();
            assert_eq!(doubts, [(Kind::File, number, FdState::InDoubt)], "{report}");
            assert_eq!(report.ops_quarantined(), 0, "{report}");
            // The kernel has taken the number back, so it is somebody else's from here on.
            let stranger = std::fs::File::open("/dev/null").expect("it is there");
            let stranger = at_number(stranger, number).expect("the number is free");
            served.let_go();
            assert!(eventually(|| served.releases() == 1));
            // Other runtimes look after the grave, and end.
            for _ in 0..3 {
                run_clean(async { sakia::time::sleep(Duration::from_millis(1)).await });
            }
            assert!(leads_to(stranger.as_fd(), "/dev/null"));
        });
        assert!(eventually(|| served.releases() > 0));
        assert_eq!((served.flushes(), served.releases()), (1, 1), "closed once");
    });
}

/// A server may answer a flush with any errno: also with the one that means, when the kernel says it, that the close was not tried.
#[test]
fn a_close_that_the_server_answers_with_ecanceled_is_not_done_again() {
    const NAME: &str =
        "exits_stuck::a_close_that_the_server_answers_with_ecanceled_is_not_done_again";
    in_child(|| {
        let behaviour = Behaviour {
            flush: Answer::Held(libc::ECANCELED),
            ..Behaviour::default()
        };
        let Some(served) = serve(NAME, behaviour) else {
            return;
        };
        leaves_nothing(|| {
            let (stranger, report) = run(async {
                let number = write_and_drop(&served).await;
                until(|| served.flushes() == 1).await;
                let stranger = std::fs::File::open("/dev/null").expect("it is there");
                let stranger = at_number(stranger, number).expect("the number is free");
                served.let_go();
                until(|| sakia::fds().iter().all(|fd| fd.state != FdState::Closing)).await;
                stranger
            });
            assert!(report.is_clean(), "{report}");
            assert!(leads_to(stranger.as_fd(), "/dev/null"));
        });
        assert_eq!((served.flushes(), served.releases()), (1, 1), "closed once");
    });
}

/// Whether this number is open and leads there, as /proc says it.
fn leads_to(fd: BorrowedFd<'_>, target: &str) -> bool {
    fds().get(&fd.as_raw_fd()).is_some_and(|to| to == target)
}
