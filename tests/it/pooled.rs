//! Buffers of the pool and the tasks that hold them: whatever way a task ends, its buffers come back.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use sakia::net::UnixStream;
use sakia::{PoolConfig, Runtime};

use crate::support::until;

/// A runtime whose pool has one buffer.
fn runtime() -> Runtime {
    let pool = PoolConfig::new().max_buffers(1);
    let builder = Runtime::builder().entries(64).pool(pool);
    builder.build().expect("a ring can be made here")
}

#[test]
fn a_task_that_panics_or_is_aborted_with_the_only_buffer_gives_it_to_who_waits() {
    let runtime = runtime();
    runtime.block_on(async {
        for panics in [true, false] {
            let (ours, peer) = UnixStream::pair().unwrap();
            peer.write_all("held").await.0.unwrap();
            let (held, go_on) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
            let (holds, may_go_on) = (held.clone(), go_on.clone());
            let holder = sakia::spawn(async move {
                let _held = ours.read_pooled().await;
                holds.set(true);
                until(|| may_go_on.get()).await;
                assert!(!panics, "as it is meant");
            });
            until(|| held.get()).await;
            let (other, peer) = UnixStream::pair().unwrap();
            peer.write_all("next").await.0.unwrap();
            let waits = sakia::time::timeout(Duration::from_millis(5), other.read_pooled()).await;
            assert!(waits.is_err(), "the only buffer is held");
            if panics {
                go_on.set(true);
            } else {
                holder.abort();
            }
            let got = sakia::time::timeout(Duration::from_secs(10), other.read_pooled()).await;
            let got = got.expect("the buffer comes back").unwrap();
            assert_eq!(got.expect("not the end"), "next");
            assert!(holder.await.is_err());
        }
    });
    let report = runtime.shutdown(Duration::from_secs(5));
    assert_eq!(report.tasks_panicked(), 1, "{report}");
}

#[test]
fn buffers_that_tasks_hold_at_the_end_are_read_and_dropped_after_it() {
    let runtime = runtime();
    let held = runtime.block_on(async {
        let (ours, peer) = UnixStream::pair().unwrap();
        peer.write_all("held twice").await.0.unwrap();
        let mut held = ours.read_pooled().await.unwrap().expect("not the end");
        let rest = held.split_off(5);
        sakia::spawn(async move {
            let _rest = rest;
            // It waits for the only buffer, of which it holds a part itself.
            let _ = ours.read_pooled().await;
            std::future::pending::<()>().await;
        });
        peer.write_all("never read").await.0.unwrap();
        sakia::time::sleep(Duration::from_millis(5)).await;
        held
    });
    let report = runtime.shutdown(Duration::from_secs(5));
    assert!(report.is_clean(), "{report}");
    let thread = std::thread::spawn(move || assert_eq!(held, "held "));
    thread.join().unwrap();
}
