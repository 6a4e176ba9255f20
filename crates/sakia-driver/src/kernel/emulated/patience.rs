//! O_NONBLOCK for the two calls that know no other way not to wait: accept4(2) and connect(2).
//!
//! The flag belongs to the open file description, which a duplicate in other hands shares, so this kernel sets it only where nobody else can be
//! looking, and takes it off before anybody does. A listener gets it when sakia itself calls listen(2), and loses it the moment it is shown
//! (`as_fd`) or handed out (`into_std`); a socket has it for the time of its connect. A listener that blocks all the same (it came from
//! outside, or was shown) is polled, and then a thread calls accept4: readiness is no promise, for another holder may have
//! taken the connection, and the loop must not wait for the next one. The thread may: a cancel calls it back (`recall.rs`).

use std::collections::HashMap;
use std::os::fd::RawFd;

use super::sys;

/// The descriptors that this kernel has made nonblocking, with the file that each number meant then.
#[derive(Debug, Default)]
pub(super) struct Patience {
    taken: HashMap<RawFd, (u64, u64)>,
}

impl Patience {
    /// Makes it nonblocking, if it is not.
    pub(super) fn take(&mut self, fd: RawFd) {
        if sys::is_nonblocking(fd) == Ok(false)
            && let Some(identity) = sys::identity(fd)
        {
            sys::set_nonblocking(fd, true);
            self.taken.insert(fd, identity);
        }
    }

    /// Makes it blocking again, if it was this kernel that changed it. A number that means another file by now is left alone.
    pub(super) fn give_back(&mut self, fd: RawFd) {
        if let Some(identity) = self.taken.remove(&fd)
            && sys::identity(fd) == Some(identity)
        {
            sys::set_nonblocking(fd, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn what_was_blocking_is_so_again_and_what_was_not_stays_as_it_was() {
        let mut patience = Patience::default();
        let socket = UnixDatagram::unbound().unwrap();
        for before in [false, true] {
            socket.set_nonblocking(before).unwrap();
            patience.take(socket.as_raw_fd());
            assert_eq!(sys::is_nonblocking(socket.as_raw_fd()), Ok(true));
            patience.give_back(socket.as_raw_fd());
            assert_eq!(sys::is_nonblocking(socket.as_raw_fd()), Ok(before));
        }
    }

    #[test]
    fn a_number_that_means_another_file_by_now_is_left_alone() {
        let mut patience = Patience::default();
        let (socket, other) = (
            UnixDatagram::unbound().unwrap(),
            UnixDatagram::unbound().unwrap(),
        );
        patience.take(socket.as_raw_fd());
        let identity = patience.taken[&socket.as_raw_fd()];
        patience.taken.insert(other.as_raw_fd(), identity);
        other.set_nonblocking(true).unwrap();
        patience.give_back(other.as_raw_fd());
        assert_eq!(sys::is_nonblocking(other.as_raw_fd()), Ok(true));
    }
}
