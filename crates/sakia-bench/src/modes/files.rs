//! Files: reads and writes at random offsets of a big file; small ones opened, read and closed.

use std::rc::Rc;
use std::time::Duration;

use super::shared_out;
use crate::Rt;
use crate::data::{self, BIG, BIG_TO_WRITE, SMALL, SMALL_FILES};
use crate::measure::{Rng, open_fds};
use crate::words::Words;

/// `TIMES DEPTH SIZE`
pub fn read<R: Rt>(words: &Words) {
    at_random::<R>(words, BIG, false);
}

/// `TIMES DEPTH SIZE`
pub fn write<R: Rt>(words: &Words) {
    at_random::<R>(words, BIG_TO_WRITE, true);
}

fn at_random<R: Rt>(words: &Words, path: &'static str, write: bool) {
    let (times, depth, size) = (words.number(0), words.count(1), words.count(2));
    let pieces = data::pieces(size);
    R::block_on(async move {
        let file = Rc::new(R::open(path.into(), write).await);
        shared_out::<R, _>(times, depth, |which, times| {
            let file = file.clone();
            async move {
                let (mut rng, mut buf) = (Rng::new(which as u64), vec![7; size]);
                for _ in 0..times {
                    let offset = rng.below(pieces) * size as u64;
                    let n;
                    (n, buf) = match write {
                        true => R::write_at(&file, buf, offset).await,
                        false => R::read_at(&file, buf, offset).await,
                    };
                    assert_eq!(n, size);
                }
            }
        })
        .await;
    });
}

/// `TIMES DEPTH`
pub fn open_read_close<R: Rt>(words: &Words) {
    let (times, depth) = (words.number(0), words.count(1));
    R::block_on(shared_out::<R, _>(
        times,
        depth,
        |which, times| async move {
            let (mut rng, mut buf) = (Rng::new(which as u64), vec![7; SMALL]);
            for _ in 0..times {
                let file = R::open(data::small(rng.below(SMALL_FILES)), false).await;
                let n;
                (n, buf) = R::read_at(&file, buf, 0).await;
                assert_eq!(n, SMALL);
                R::close(file).await;
            }
        },
    ));
}

/// `TIMES DEPTH`. It also tells how many descriptors are open right after the last drop, and a little later.
pub fn open_drop<R: Rt>(words: &Words) {
    let (times, depth) = (words.number(0), words.count(1));
    R::block_on(async move {
        let before = open_fds();
        shared_out::<R, _>(times, depth, |which, times| async move {
            let mut rng = Rng::new(which as u64);
            for _ in 0..times {
                drop(R::open(data::small(rng.below(SMALL_FILES)), false).await);
            }
        })
        .await;
        let now = open_fds() - before;
        R::sleep(Duration::from_millis(50)).await;
        println!("fds_now={now} fds_later={}", open_fds() - before);
    });
}
