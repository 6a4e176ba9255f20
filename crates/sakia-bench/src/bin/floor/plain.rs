//! Files by plain system calls, one after another.

use std::fs::File;
use std::os::unix::fs::FileExt;

use sakia_bench::data::{self, BIG, BIG_TO_WRITE, SMALL, SMALL_FILES, ZERO};
use sakia_bench::measure::{Rng, Watch};
use sakia_bench::words::Words;

use crate::files::open;

pub fn run(mode: &str, words: &Words) {
    let (times, mut rng) = (words.number(0), Rng::new(0));
    match mode {
        "read" => {
            let size = words.count(2);
            let (file, pieces, mut buf) = (open(BIG, false), data::pieces(size), vec![7; size]);
            twice(times, || {
                let n = file.read_at(&mut buf, rng.below(pieces) * size as u64);
                assert_eq!(n.expect("the file can be read"), size);
            });
        }
        "write" => {
            let size = words.count(2);
            let (file, pieces, buf) = (open(BIG_TO_WRITE, true), data::pieces(size), vec![7; size]);
            twice(times, || {
                let n = file.write_at(&buf, rng.below(pieces) * size as u64);
                assert_eq!(n.expect("the file can be written"), size);
            });
        }
        "zero" => {
            let (file, mut buf) = (open(ZERO, false), [7]);
            twice(times, || {
                assert_eq!(file.read_at(&mut buf, 0).expect("it can be read"), 1);
            });
        }
        "open-read-close" => {
            let mut buf = [7; SMALL];
            twice(times, || {
                let file = small(&mut rng);
                assert_eq!(file.read_at(&mut buf, 0).expect("it can be read"), SMALL);
            });
        }
        "open-drop" => twice(times, || drop(small(&mut rng))),
        mode => panic!("there is no mode {mode:?} of plain calls"),
    }
}

fn small(rng: &mut Rng) -> File {
    File::open(data::small(rng.below(SMALL_FILES))).expect("the data are there")
}

/// A tenth as a warm-up, and then so many times.
fn twice(times: u64, mut op: impl FnMut()) {
    for (times, counts) in [(times / 10, false), (times, true)] {
        let watch = Watch::of_process();
        (0..times).for_each(|_| op());
        if counts {
            watch.tell(times);
        }
    }
}
