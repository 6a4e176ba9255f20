//! socketpair(2) and pipe2(2), on the spot: two descriptors that are connected to each other.

use std::io;
use std::os::fd::RawFd;

use crate::driver::Driver;
use crate::fd::{Fd, Kind, Origin};
use crate::kernel::KernelFd;
use crate::kernel::call::Call;

impl Fd {
    /// Makes two Unix sockets of this type that are connected to each other (socketpair(2)).
    ///
    /// # Errors
    /// As socketpair(2); and outside a runtime.
    #[track_caller]
    pub fn socket_pair(kind: Kind, socket_type: i32) -> io::Result<(Self, Self)> {
        two(kind, |ends| {
            Call::SocketPair(socket_type | libc::SOCK_CLOEXEC, ends)
        })
    }

    /// Makes a pipe (pipe2(2)): the end that reads and the end that writes.
    ///
    /// # Errors
    /// As pipe2(2); and outside a runtime.
    #[track_caller]
    pub fn pipe() -> io::Result<(Self, Self)> {
        two(Kind::Pipe, |ends| Call::Pipe(ends))
    }
}

#[track_caller]
fn two(kind: Kind, call: impl FnOnce(&mut [RawFd; 2]) -> Call<'_>) -> io::Result<(Fd, Fd)> {
    let origin = Origin::caller();
    let driver = Driver::admit()?;
    let mut ends = [-1; 2];
    driver.call(call(&mut ends))?;
    let [one, other] = ends.map(|raw| Fd::on(&driver, KernelFd::adopt(raw), kind).asked_at(origin));
    Ok((one, other))
}
