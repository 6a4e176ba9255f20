//! Control messages (cmsg(3), unix(7)): what a sendmsg(2) takes along beside its bytes, and what a recvmsg(2) brings.
//!
//! A received message may bring descriptors. They are *adopted* the moment the completion is read, before anybody is asked who waits
//! for it: [`MsgHeader::adopt`] turns the numbers in the control buffer into owners. While they are in the driver's hands they are
//! [`Passed`]: dropped there, they are closed by the current driver, which knows which closes can block. What the caller gets is an
//! [`Ancillary`] of plain [`OwnedFd`]s.

use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use crate::driver::Driver;
use crate::kernel::KernelFd;

/// The most descriptors that one message carries (SCM_MAX_FD).
const MOST_FDS: usize = 253;

/// A pidfd of the sender, for who has set SO_PASSPIDFD (Linux 6.5).
const SCM_PIDFD: i32 = 4;

/// What a message brought beside its bytes.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Ancillary {
    /// Descriptors (`SCM_RIGHTS`), close-on-exec, in the order in which they were sent.
    pub fds: Vec<OwnedFd>,
    /// Who sent it (`SCM_CREDENTIALS`), if the socket asks for that (`SO_PASSCRED`).
    pub credentials: Option<Credentials>,
    /// The sender as a pidfd (`SCM_PIDFD`), if the socket asks for that (`SO_PASSPIDFD`).
    pub pidfd: Option<OwnedFd>,
    /// Whether some of it was cut off (`MSG_CTRUNC`): the process had no descriptor left for one. What was cut off is closed.
    pub truncated: bool,
}

/// The process that sent a message, as the kernel vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl Credentials {
    /// The length of a `struct ucred { pid_t pid; uid_t uid; gid_t gid; }`.
    pub(crate) const LEN: usize = 12;

    pub(crate) fn read(ucred: [u8; Self::LEN]) -> Self {
        let word = |at: usize| [ucred[at], ucred[at + 1], ucred[at + 2], ucred[at + 3]];
        Self {
            pid: i32::from_ne_bytes(word(0)),
            uid: u32::from_ne_bytes(word(4)),
            gid: u32::from_ne_bytes(word(8)),
        }
    }
}

/// A descriptor that a message brought and that nobody has taken yet; it is `None` once it was taken.
#[derive(Debug)]
pub(crate) struct Passed(Option<KernelFd>);

impl Passed {
    fn adopt(raw: RawFd) -> Self {
        Self(Some(KernelFd::adopt(raw)))
    }

    /// What is nothing outside is closed.
    fn into_std(mut self) -> Option<OwnedFd> {
        self.0.take()?.into_std().ok()
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        // A stranger may have sent us what blocks its closer. Outside of any driver it closes itself.
        if let (Some(driver), Some(fd)) = (Driver::current(), self.0.take()) {
            driver.end_stranger(fd);
        }
    }
}

/// What a message brought, as long as nobody has taken it.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    fds: Vec<Passed>,
    credentials: Option<Credentials>,
    pidfd: Option<Passed>,
}

impl Arrived {
    /// The numbers, for the ledger.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = RawFd> + '_ {
        let passed = self.fds.iter().chain(&self.pidfd);
        passed.filter_map(|passed| passed.0.as_ref().map(KernelFd::raw))
    }

    /// Adds what one control message says.
    fn add(&mut self, kind: i32, data: &[u8]) {
        let int = |at: usize| {
            let bytes = data.get(at..at + size_of::<RawFd>())?;
            Some(RawFd::from_ne_bytes(bytes.try_into().ok()?))
        };
        match kind {
            libc::SCM_RIGHTS => {
                let numbers = (0..data.len()).step_by(size_of::<RawFd>()).filter_map(int);
                self.fds.extend(numbers.map(Passed::adopt));
            }
            SCM_PIDFD => self.pidfd = int(0).filter(|raw| *raw >= 0).map(Passed::adopt),
            libc::SCM_CREDENTIALS => self.credentials = data.try_into().ok().map(Credentials::read),
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.fds.is_empty() && self.credentials.is_none() && self.pidfd.is_none()
    }
}

/// Hands it over to the caller.
pub(crate) fn hand_over(arrived: Option<Box<Arrived>>, truncated: bool) -> Ancillary {
    let arrived = arrived.map(|arrived| *arrived).unwrap_or_default();
    Ancillary {
        fds: arrived
            .fds
            .into_iter()
            .filter_map(Passed::into_std)
            .collect(),
        credentials: arrived.credentials,
        pidfd: arrived.pidfd.and_then(Passed::into_std),
        truncated,
    }
}

/// The header of a recvmsg(2) in flight, to be looked at once, when its final completion is here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MsgHeader(NonNull<libc::msghdr>);

impl MsgHeader {
    /// The header that a RECVMSG's SQE names.
    pub(crate) fn at(addr: u64) -> Option<Self> {
        NonNull::new(addr as *mut libc::msghdr).map(Self)
    }

    /// Takes ownership of what the message brought. The caller has the op's final completion in hand, and its result was no error.
    pub(crate) fn adopt(self) -> Option<Box<Arrived>> {
        // SAFETY: the promise of `unsafe trait Op` for `Yields::Message`: the address leads to a msghdr of the op's own on the heap, which
        // stays there until the final completion was dealt with; the kernel has let go of it.
        let msg = unsafe { self.0.read() };
        let mut arrived = Arrived::default();
        let mut rest = (
            msg.msg_control.cast::<u8>().cast_const(),
            msg.msg_controllen,
        );
        // SAFETY: the same promise for the control buffer: the kernel has written `msg_controllen` bytes of it.
        while let Some((header, data)) = unsafe { next(&mut rest) } {
            if header.cmsg_level == libc::SOL_SOCKET {
                arrived.add(header.cmsg_type, data);
            }
        }
        (!arrived.is_empty()).then(|| Box::new(arrived))
    }
}

/// The next control message: CMSG_FIRSTHDR and CMSG_NXTHDR in one.
///
/// # Safety
/// `rest` is an address and the number of initialised bytes that may be read there for `'a`.
unsafe fn next<'a>(rest: &mut (*const u8, usize)) -> Option<(libc::cmsghdr, &'a [u8])> {
    let (start, left) = *rest;
    let head = aligned(size_of::<libc::cmsghdr>());
    if start.is_null() || left < head {
        return None;
    }
    // SAFETY: there are at least as many bytes as a header has, and the read asks for no alignment.
    let header = unsafe { start.cast::<libc::cmsghdr>().read_unaligned() };
    let whole = header.cmsg_len;
    if whole < head || whole > left {
        return None;
    }
    // SAFETY: from `head` to `whole` lies within the bytes that are left.
    let data = unsafe { std::slice::from_raw_parts(start.add(head), whole - head) };
    let step = aligned(whole).min(left);
    // SAFETY: `step` stays within the bytes that are left, or ends them.
    *rest = (unsafe { start.add(step) }, left - step);
    Some((header, data))
}

/// CMSG_ALIGN.
const fn aligned(len: usize) -> usize {
    len.next_multiple_of(size_of::<usize>())
}

/// A control buffer, aligned as the kernel wants it, that an op lends.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// `usize` for the alignment of a cmsghdr. The length is what was written to be sent, the capacity what may be received.
    words: Vec<usize>,
}

impl Control {
    /// Room for all that a Unix socket can bring: a full SCM_RIGHTS, credentials, a pidfd, a security label.
    pub(crate) fn room() -> Self {
        Self::room_for(aligned(16 + MOST_FDS * size_of::<RawFd>()) + 256)
    }

    fn room_for(bytes: usize) -> Self {
        Self {
            words: Vec::with_capacity(bytes / size_of::<usize>()),
        }
    }

    /// The control message that sends these descriptors; nothing if there are none.
    pub(crate) fn rights(fds: &[OwnedFd]) -> Self {
        if fds.is_empty() {
            return Self::default();
        }
        let head = aligned(size_of::<libc::cmsghdr>());
        let whole = head + size_of_val(fds);
        let mut words = vec![0; aligned(whole) / size_of::<usize>()];
        let start = words.as_mut_ptr().cast::<u8>();
        let header = start.cast::<libc::cmsghdr>();
        // SAFETY: the vector is longer than a header (it was made for one and the numbers behind it) and aligned as one; all its bytes
        // are initialised.
        unsafe {
            (*header).cmsg_len = whole;
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
        }
        for (n, fd) in fds.iter().enumerate() {
            // SAFETY: the vector was made for that many numbers behind the header.
            unsafe { start.add(head).cast::<RawFd>().add(n).write(fd.as_raw_fd()) };
        }
        Self { words }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.words.capacity() > 0
    }

    /// Points a header at what is to be sent.
    pub(crate) fn lend_to_read(&mut self, msg: &mut libc::msghdr) {
        if !self.words.is_empty() {
            msg.msg_control = self.words.as_mut_ptr().cast();
            msg.msg_controllen = self.words.len() * size_of::<usize>();
        }
    }

    /// Points a header at the room for what is received.
    pub(crate) fn lend_to_write(&mut self, msg: &mut libc::msghdr) {
        if self.has_room() {
            msg.msg_control = self.words.as_mut_ptr().cast();
            msg.msg_controllen = self.words.capacity() * size_of::<usize>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, Read, pipe};
    use std::os::unix::net::UnixDatagram;

    /// Sends `count` clones of a pipe's writing end to a socket; the reading end sees its end once the last clone is closed.
    fn send(to: &UnixDatagram, count: usize) -> PipeReader {
        let (reader, writer) = pipe().unwrap();
        let fds: Vec<OwnedFd> = (0..count)
            .map(|_| writer.try_clone().unwrap().into())
            .collect();
        let mut control = Control::rights(&fds);
        // SAFETY: msghdr is made of pointers and integers.
        let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
        control.lend_to_read(&mut msg);
        // SAFETY: the header names a control buffer that outlives the call.
        let sent = unsafe { libc::sendmsg(to.as_raw_fd(), &raw const msg, 0) };
        assert_eq!(sent, 0);
        reader
    }

    /// Receives with so much room; what came, and whether some was cut off.
    fn receive(from: &UnixDatagram, room: usize) -> (Option<Box<Arrived>>, bool) {
        let mut control = Control::room_for(room);
        // SAFETY: msghdr is made of pointers and integers.
        let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
        control.lend_to_write(&mut msg);
        let flags = libc::MSG_CMSG_CLOEXEC;
        // SAFETY: the header names a control buffer that outlives the call, with its length.
        let n = unsafe { libc::recvmsg(from.as_raw_fd(), &raw mut msg, flags) };
        assert_eq!(n, 0);
        let addr = &raw const msg as u64;
        let arrived = MsgHeader::at(addr).unwrap().adopt();
        (arrived, msg.msg_flags & libc::MSG_CTRUNC != 0)
    }

    fn is_closed(mut reader: PipeReader) -> bool {
        let mut poll = libc::pollfd {
            fd: reader.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd of ours.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
        ready == 1 && reader.read(&mut [0]).unwrap() == 0
    }

    #[test]
    fn whatever_the_room_each_descriptor_is_adopted_or_was_never_made() {
        let (a, b) = UnixDatagram::pair().unwrap();
        for sent in [1, 2, 3, MOST_FDS] {
            for room in (0..80).step_by(8).chain([1200]) {
                let reader = send(&a, sent);
                let (arrived, truncated) = receive(&b, room);
                let got = arrived.as_ref().map_or(0, |arrived| arrived.fds.len());
                assert_eq!(truncated, got < sent, "{got} of {sent} in {room} bytes");
                assert_eq!(is_closed(reader.try_clone().unwrap()), got == 0);
                let ancillary = hand_over(arrived, truncated);
                assert_eq!(ancillary.fds.len(), got);
                drop(ancillary);
                assert!(is_closed(reader), "{got} of {sent} in {room} bytes");
            }
        }
    }

    #[test]
    fn the_room_is_enough_for_a_full_message_with_credentials() {
        let (a, b) = UnixDatagram::pair().unwrap();
        let on = 1i32;
        // SAFETY: the option's value is an int of ours.
        let set = unsafe {
            let value = (&raw const on).cast();
            libc::setsockopt(b.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PASSCRED, value, 4)
        };
        assert_eq!(set, 0);
        let reader = send(&a, MOST_FDS);
        let room = Control::room().words.capacity() * size_of::<usize>();
        let (arrived, truncated) = receive(&b, room);
        let ancillary = hand_over(arrived, truncated);
        let from = ancillary.credentials.expect("they were asked for");
        assert_eq!(from.pid.cast_unsigned(), std::process::id());
        assert_eq!((ancillary.fds.len(), truncated), (MOST_FDS, false));
        drop(ancillary);
        assert!(is_closed(reader));
    }
}
