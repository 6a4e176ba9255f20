//! Reads and writes at random offsets, so many in flight; with a registered file and registered buffers too.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;

use io_uring::{opcode, squeue, types};
use sakia_bench::data::{self, BIG, BIG_TO_WRITE, ZERO};
use sakia_bench::measure::{Rng, Watch};
use sakia_bench::raw::{Queues, build};
use sakia_bench::words::Words;

/// Each of them, and how it asks the ring.
struct Way {
    fd: i32,
    write: bool,
    registered: bool,
    size: u32,
}

/// `TIMES DEPTH SIZE`
pub fn read(words: &Words, registered: bool) {
    let size = words.count(2);
    run(words, BIG, size, data::pieces(size), false, registered);
}

/// `TIMES DEPTH SIZE`
pub fn write(words: &Words, registered: bool) {
    let size = words.count(2);
    run(
        words,
        BIG_TO_WRITE,
        size,
        data::pieces(size),
        true,
        registered,
    );
}

/// `TIMES DEPTH`
pub fn zero(words: &Words, registered: bool) {
    run(words, ZERO, 1, 1, false, registered);
}

fn run(words: &Words, path: &str, size: usize, pieces: u64, write: bool, registered: bool) {
    let (times, depth) = (words.number(0), words.count(1));
    let file = open(path, write);
    let mut ring = build(256);
    let mut queues = Queues::of(&mut ring);
    let mut buffers = vec![vec![7; size]; depth];
    let lent: Vec<libc::iovec> = buffers
        .iter_mut()
        .map(|buffer| libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: size,
        })
        .collect();
    if registered {
        queues
            .submitter
            .register_files(&[file.as_raw_fd()])
            .expect("a file can be registered");
        // SAFETY: the buffers are neither moved nor freed before the end of this function, by when every op has ended, for the loop waits for each.
        unsafe { queues.submitter.register_buffers(&lent) }.expect("buffers can be registered");
    }
    let way = Way {
        fd: file.as_raw_fd(),
        write,
        registered,
        size: size as u32,
    };
    let mut rng = Rng::new(0);
    for (times, counts) in [(times / 10, false), (times, true)] {
        let watch = Watch::of_process();
        let (mut done, mut sent) = (0, 0);
        let mut free: Vec<usize> = (0..depth).collect();
        while done < times {
            while sent < times
                && let Some(which) = free.pop()
            {
                let offset = rng.below(pieces) * size as u64;
                let entry = way.entry(buffers[which].as_mut_ptr(), which as u16, offset);
                // SAFETY: the buffer is `size` bytes long, it is in flight once, for it was free, and it is not touched until the op has ended.
                unsafe { queues.push(&entry) };
                sent += 1;
            }
            queues.turn(1);
            while let Some(completion) = queues.next_completion() {
                assert_eq!(completion.result(), size as i32);
                free.push(completion.user_data() as usize);
                done += 1;
            }
        }
        if counts {
            watch.tell(times);
        }
    }
}

impl Way {
    #[inline]
    fn entry(&self, buffer: *mut u8, which: u16, offset: u64) -> squeue::Entry {
        let (fd, fixed, size) = (types::Fd(self.fd), types::Fixed(0), self.size);
        let entry = match (self.write, self.registered) {
            (false, false) => opcode::Read::new(fd, buffer, size).offset(offset).build(),
            (true, false) => opcode::Write::new(fd, buffer, size).offset(offset).build(),
            (false, true) => opcode::ReadFixed::new(fixed, buffer, size, which)
                .offset(offset)
                .build(),
            (true, true) => opcode::WriteFixed::new(fixed, buffer, size, which)
                .offset(offset)
                .build(),
        };
        entry.user_data(u64::from(which))
    }
}

/// Opens one of the files of the benchmarks.
pub fn open(path: &str, write: bool) -> File {
    let opened = OpenOptions::new().read(true).write(write).open(path);
    opened.expect("the data are there")
}
