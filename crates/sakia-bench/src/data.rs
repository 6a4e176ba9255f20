//! The files that are read and written. The runner makes them; the programs are started in their folder.

use std::io::{self, Read};
use std::path::Path;

/// What is read from.
pub const BIG: &str = "big";
/// What is written to.
pub const BIG_TO_WRITE: &str = "big-to-write";
/// The cheapest thing that can be read.
pub const ZERO: &str = "/dev/zero";
/// How many small files there are.
pub const SMALL_FILES: u64 = 1000;
/// How long each is.
pub const SMALL: usize = 1024;

/// The path of a small file.
pub fn small(number: u64) -> String {
    format!("small/{number}")
}

/// How many pieces of `size` bytes the big file has. It is asked for before the clock starts.
pub fn pieces(size: usize) -> u64 {
    let len = std::fs::metadata(BIG).map_or(0, |about| about.len());
    let pieces = len / size as u64;
    assert!(
        pieces > 0,
        "no data here: start the benchmarks as `cargo xtask bench`"
    );
    pieces
}

/// Makes what is missing in `folder`, and reads all of it, so that it lies in the page cache.
pub fn make(folder: &Path, big: u64) -> io::Result<()> {
    std::fs::create_dir_all(folder.join("small"))?;
    for name in [BIG, BIG_TO_WRITE] {
        fill(&folder.join(name), big)?;
    }
    for number in 0..SMALL_FILES {
        fill(&folder.join(small(number)), SMALL as u64)?;
    }
    Ok(())
}

/// A file of so many random bytes; what has the length already is read instead.
fn fill(path: &Path, len: u64) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|about| about.len() == len) {
        let mut file = std::fs::File::open(path)?;
        io::copy(&mut file, &mut io::sink())?;
        return Ok(());
    }
    let mut random = std::fs::File::open("/dev/urandom")?.take(len);
    let mut file = std::fs::File::create(path)?;
    io::copy(&mut random, &mut file).map(drop)
}
