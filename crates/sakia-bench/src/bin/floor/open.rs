//! A small file opened, read and closed: three linked entries, one slot of the ring's table, one call.

use std::ffi::CString;
use std::hint::black_box;

use io_uring::{opcode, squeue, types};
use sakia_bench::data::{self, SMALL, SMALL_FILES};
use sakia_bench::measure::{Rng, Watch};
use sakia_bench::raw::{Queues, build};
use sakia_bench::words::Words;

/// Of each three the last alone tells of its end.
const QUIET: squeue::Flags = squeue::Flags::IO_LINK.union(squeue::Flags::SKIP_SUCCESS);
const FAILED: u64 = u64::MAX;

/// `TIMES DEPTH`
pub fn run(words: &Words, read: bool) {
    let (times, depth) = (words.number(0), words.count(1));
    let mut ring = build(1024);
    let mut queues = Queues::of(&mut ring);
    let slots = queues.submitter.register_files_sparse(depth as u32);
    slots.expect("there is room for a table");
    let mut buffers = vec![vec![7; SMALL]; depth];
    let names: Vec<CString> = (0..SMALL_FILES)
        .map(|number| CString::new(data::small(number)).expect("no name holds a zero"))
        .collect();
    let mut rng = Rng::new(0);
    for (times, counts) in [(times / 10, false), (times, true)] {
        let watch = Watch::of_process();
        let (mut done, mut sent) = (0, 0);
        let mut free: Vec<usize> = (0..depth).collect();
        while done < times {
            while sent < times
                && let Some(slot) = free.pop()
            {
                // A runtime's loop makes the name each time; this one too, though it has them all.
                let number = rng.below(SMALL_FILES);
                black_box(data::small(number));
                let name = names[number as usize].as_ptr();
                queues.reserve(3);
                for entry in chain(slot as u32, name, buffers[slot].as_mut_ptr(), read) {
                    // SAFETY: the names outlive the loop; the buffer is `SMALL` bytes long, its slot was free, and it is not touched until the chain has ended.
                    unsafe { queues.push(&entry) };
                }
                sent += 1;
            }
            queues.turn(1);
            while let Some(completion) = queues.next_completion() {
                assert!(completion.result() >= 0, "failed: {}", completion.result());
                free.push(completion.user_data() as usize);
                done += 1;
            }
        }
        if counts {
            watch.tell(times);
        }
    }
}

fn chain(
    slot: u32,
    name: *const libc::c_char,
    buffer: *mut u8,
    read: bool,
) -> impl Iterator<Item = squeue::Entry> {
    let place =
        types::DestinationSlot::try_from_slot_target(slot).expect("the slot is a small number");
    let open = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), name)
        .flags(libc::O_RDONLY)
        .file_index(Some(place))
        .build()
        .flags(QUIET)
        .user_data(FAILED);
    let reading = opcode::Read::new(types::Fixed(slot), buffer, SMALL as u32)
        .build()
        .flags(QUIET)
        .user_data(FAILED);
    let close = opcode::Close::new(types::Fixed(slot))
        .build()
        .user_data(u64::from(slot));
    [Some(open), read.then_some(reading), Some(close)]
        .into_iter()
        .flatten()
}
