//! Memory that a program has lent to the simulated kernel: the one place where the model touches memory that is not its own.
//!
//! It is also a witness. What the kernel is to write to is filled with a pattern when it is lent, what it is to read is copied, and both are looked at
//! again at the final completion: whoever touched, or freed, what he had lent shows there, and under AddressSanitizer at once. What a result does not
//! cover is put back as it was, for a real kernel leaves it alone.

use std::mem::MaybeUninit;

use crate::addr::SockAddr;
use crate::ops::OpenHow;

/// A piece of memory: address and length.
type Piece = (u64, usize);

/// See the module's page.
pub(super) enum Lent {
    /// Nothing but the SQE itself.
    Nothing,
    /// To be read: as it was when it was lent.
    Read(Vec<Piece>, Vec<u8>),
    /// To be filled: as it was, and the first byte of the pattern.
    Fill(Vec<Piece>, Vec<MaybeUninit<u8>>, u8),
}

fn pattern(first: u8, at: usize) -> u8 {
    first.wrapping_add((at as u8).wrapping_mul(31))
}

impl Lent {
    /// Takes note of what is lent to be read.
    pub(super) fn read(pieces: Vec<Piece>) -> Self {
        let copy = copy(&pieces);
        Self::Read(pieces, copy)
    }

    /// Takes note of what is lent to be filled, and writes the pattern to it.
    pub(super) fn fill(pieces: Vec<Piece>, first: u8) -> Self {
        let mut before = Vec::new();
        let mut at = 0;
        for (addr, len) in &pieces {
            for i in 0..*len {
                let byte = (*addr as *mut MaybeUninit<u8>).wrapping_add(i);
                // SAFETY: the op that is in flight has lent `len` bytes from `addr` on to the kernel, which is us, until its final completion
                // (`unsafe trait Op`); they may be uninitialised, so they are copied as what they are.
                unsafe {
                    before.push(byte.read());
                    byte.write(MaybeUninit::new(pattern(first, at)));
                }
                at += 1;
            }
        }
        Self::Fill(pieces, before, first)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Read(pieces, _) | Self::Fill(pieces, ..) => {
                pieces.iter().map(|(_, len)| len).sum()
            }
        }
    }

    /// What stands there to be read.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Read(pieces, _) => copy(pieces),
            _ => Vec::new(),
        }
    }

    /// Whether nobody has touched it since it was lent.
    pub(super) fn is_untouched(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Read(pieces, before) => copy(pieces) == *before,
            // All of it was initialised by the pattern.
            Self::Fill(pieces, _, first) => {
                let now = copy(pieces).into_iter().enumerate();
                now.into_iter()
                    .all(|(at, byte)| byte == pattern(*first, at))
            }
        }
    }

    /// The final completion is about to be posted: writes the data, and puts back what was behind it.
    pub(super) fn give_back(self, data: &[u8]) {
        let Self::Fill(pieces, before, _) = self else {
            return;
        };
        let mut at = 0;
        for (addr, len) in pieces {
            for i in 0..len {
                let byte = (addr as *mut MaybeUninit<u8>).wrapping_add(i);
                let value = data.get(at).map_or(before[at], |b| MaybeUninit::new(*b));
                // SAFETY: as in `fill`: the completion that ends the loan is not posted yet.
                unsafe { byte.write(value) };
                at += 1;
            }
        }
    }
}

fn copy(pieces: &[Piece]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (addr, len) in pieces {
        if *len > 0 {
            // SAFETY: the op in flight has lent `len` initialised bytes from `addr` on (`IoBuf`), or the pattern initialised them; nothing of
            // the slice is kept.
            bytes
                .extend_from_slice(unsafe { std::slice::from_raw_parts(*addr as *const u8, *len) });
        }
    }
    bytes
}

/// Reads a value of integers and pointers that an SQE points to.
fn value<T: Copy>(addr: u64) -> T {
    // SAFETY: the callers name the type that the opcode's field leads to by io_uring_enter(2), and the op that is in flight keeps it
    // (`unsafe trait Op`).
    unsafe { (addr as *const T).read_unaligned() }
}

/// Writes a value that an SQE has lent room for.
fn set<T: Copy>(addr: u64, value: T) {
    // SAFETY: as in `value`; the field is one that the kernel writes.
    unsafe { (addr as *mut T).write_unaligned(value) };
}

/// The path that an SQE names.
pub(super) fn path(addr: u64) -> Vec<u8> {
    // SAFETY: the op in flight keeps a C string there.
    unsafe { std::ffi::CStr::from_ptr(addr as *const libc::c_char) }
        .to_bytes()
        .to_vec()
}

pub(super) fn open_how(addr: u64) -> OpenHow {
    value(addr)
}

/// The time that an SQE names, in nanoseconds.
pub(super) fn timespec(addr: u64) -> u64 {
    let [seconds, nanos]: [i64; 2] = value(addr);
    (seconds.max(0) as u64)
        .saturating_mul(1_000_000_000)
        .saturating_add(nanos.max(0) as u64)
}

/// The pieces of a list of `struct iovec`.
pub(super) fn iovecs(addr: u64, count: usize) -> Vec<Piece> {
    (0..count)
        .map(|i| {
            let entry: libc::iovec = value(addr + (i * size_of::<libc::iovec>()) as u64);
            (entry.iov_base as u64, entry.iov_len)
        })
        .collect()
}

pub(super) fn message(addr: u64) -> libc::msghdr {
    value(addr)
}

pub(super) fn address(addr: u64, len: usize) -> SockAddr {
    let bytes: Vec<u8> = (0..len.min(128)).map(|i| value(addr + i as u64)).collect();
    SockAddr::from_bytes(&bytes)
}

/// Writes an address as accept(2) does.
pub(super) fn set_address(addr: u64, len: u64, name: &SockAddr) {
    let room = value::<libc::socklen_t>(len) as usize;
    put(addr, &name.name()[..name.name().len().min(room)]);
    set(len, name.name().len() as libc::socklen_t);
}

/// Writes the address of a message's sender as recvmsg(2) does.
pub(super) fn set_sender(message: u64, name: &SockAddr, cut: bool) {
    let mut header: libc::msghdr = value(message);
    let room = header.msg_namelen as usize;
    if !header.msg_name.is_null() {
        put(
            header.msg_name as u64,
            &name.name()[..name.name().len().min(room)],
        );
        header.msg_namelen = name.name().len() as libc::socklen_t;
    }
    header.msg_controllen = 0;
    header.msg_flags = if cut { libc::MSG_TRUNC } else { 0 };
    set(message, header);
}

fn put(addr: u64, bytes: &[u8]) {
    for (at, byte) in bytes.iter().enumerate() {
        set(addr + at as u64, *byte);
    }
}

/// Writes a statx(2)'s answer.
pub(super) fn set_statx(addr: u64, fill: impl FnOnce(&mut libc::statx)) {
    // SAFETY: statx is made of integers.
    let mut out: libc::statx = unsafe { std::mem::zeroed() };
    fill(&mut out);
    set(addr, out);
}
