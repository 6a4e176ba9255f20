//! The memory that a submission of a program lends to its kernel.

use std::ffi::CString;

/// The memory that a submission lends: it is kept until the world ends.
pub(super) struct Lent {
    pub(super) bytes: Vec<u8>,
    pub(super) second: Vec<u8>,
    pub(super) list: [libc::iovec; 2],
    pub(super) msg: libc::msghdr,
    pub(super) names: [CString; 2],
    pub(super) how: [u64; 3],
    pub(super) statx: libc::statx,
    pub(super) time: [i64; 2],
}

impl Lent {
    pub(super) fn new(tag: u64) -> Box<Self> {
        let none = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        Box::new(Self {
            // What is to be written says whose it is.
            bytes: vec![tag as u8],
            second: Vec::new(),
            list: [none; 2],
            // SAFETY: both are made of integers and pointers, for which all zeroes is a value.
            msg: unsafe { std::mem::zeroed() },
            names: [CString::default(), CString::default()],
            how: [0; 3],
            // SAFETY: as above.
            statx: unsafe { std::mem::zeroed() },
            time: [0; 2],
        })
    }

    pub(super) fn room(&mut self, len: usize) -> u64 {
        self.bytes = vec![0; len];
        self.bytes.as_mut_ptr() as u64
    }

    pub(super) fn data(&mut self, len: usize) -> u64 {
        self.bytes = pattern(len, self.bytes[0]);
        self.bytes.as_ptr() as u64
    }

    pub(super) fn list(&mut self, first: usize, second: usize, writes: bool) -> u64 {
        if writes {
            self.data(first);
            self.second = pattern(second, 6);
        } else {
            self.room(first);
            self.second = vec![0; second];
        }
        for (entry, bytes) in self
            .list
            .iter_mut()
            .zip([&mut self.bytes, &mut self.second])
        {
            entry.iov_base = bytes.as_mut_ptr().cast();
            entry.iov_len = bytes.len();
        }
        self.list.as_ptr() as u64
    }

    pub(super) fn message(&mut self, len: usize, writes: bool) -> u64 {
        self.list(len, 0, writes);
        self.msg.msg_iov = self.list.as_mut_ptr();
        self.msg.msg_iovlen = 1;
        &raw mut self.msg as u64
    }

    pub(super) fn name(&mut self, at: usize, name: u8) -> u64 {
        self.text(at, ["a", "b", "c", "d"][name as usize % 4])
    }

    pub(super) fn text(&mut self, at: usize, text: &str) -> u64 {
        self.names[at] = CString::new(text).expect("no NUL");
        self.names[at].as_ptr() as u64
    }

    pub(super) fn time(&mut self, seconds: i64, nanos: i64) -> u64 {
        self.time = [seconds, nanos];
        self.time.as_ptr() as u64
    }
}

pub(super) fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len)
        .map(|at| (at as u8).wrapping_mul(7).wrapping_add(seed))
        .collect()
}
