//! What a simulated kernel answers on the spot.

use std::os::fd::RawFd;

use super::socket::{Name, PIPE};
use super::world::{Thing, World};
use crate::addr::SockAddr;
use crate::kernel::call::{Call, Device};

type Errno<T> = Result<T, i32>;

/// What proc_pid_mountinfo(5) would say: a disk, and a server behind `/remote`.
const MOUNTS: &str = "1 0 0:1 / / rw - ext4 /dev/simulated rw\n\
                      2 1 0:2 / /remote rw - fuse.simulated simulated rw\n";

impl World {
    /// Two sockets that are connected to each other.
    fn make_pair(&mut self, domain: i32, kind: i32) -> Errno<[RawFd; 2]> {
        let one = self.make_socket(domain, kind)?;
        let fds = [self.install(one), 0];
        let other = match self.make_socket(domain, kind) {
            Ok(other) => other,
            Err(errno) => {
                let _ = self.close(fds[0]);
                return Err(errno);
            }
        };
        self.pair(one, other);
        Ok([fds[0], self.install(other)])
    }

    /// Everything but a close, which its descriptor does by itself.
    pub(super) fn call(&mut self, call: Call<'_>) -> Errno<u64> {
        match call {
            Call::Close(_) => Err(libc::EBADF),
            Call::Eventfd => self.make_eventfd(),
            Call::Socket(domain, kind, _) => {
                let id = self.make_socket(domain, bare(kind))?;
                Ok(self.install(id) as u64)
            }
            Call::SocketPair(kind, ends) => {
                *ends = self.make_pair(libc::AF_UNIX, bare(kind))?;
                Ok(0)
            }
            Call::Pipe(ends) => {
                *ends = self.make_pipe()?;
                Ok(0)
            }
            Call::Show(_) | Call::StatusFlags(_) => Ok(0),
            Call::Mounts(text) => {
                text.push_str(MOUNTS);
                Ok(0)
            }
            Call::Shutdown(fd, how) => self
                .lookup(fd)
                .and_then(|id| self.shut(id, how))
                .map(|()| 0),
            Call::Bind(fd, addr) => self
                .lookup(fd)
                .and_then(|id| self.bind(id, Name::of(addr)))
                .map(|()| 0),
            Call::Listen(fd, most) => self
                .lookup(fd)
                .and_then(|id| self.listen(id, most))
                .map(|()| 0),
            Call::SockName(fd, addr) => {
                let id = self.lookup(fd)?;
                let socket = self.socket(id)?;
                *addr = socket.address(socket.name.as_ref());
                Ok(0)
            }
            Call::PeerName(fd, addr) => {
                *addr = self.peer_of(fd)?;
                Ok(0)
            }
            Call::SetOption(fd, level, name, value) => {
                let id = self.lookup(fd)?;
                let options = &mut self.socket(id)?.options;
                options.insert((level, name), value.to_vec());
                Ok(0)
            }
            Call::GetOption(fd, level, name, value) => self.option(fd, (level, name), value),
            Call::Seek(fd, offset, whence) => {
                let id = self.lookup(fd)?;
                self.seek(id, offset, whence)
            }
            Call::Device(fd, device) => {
                *device = self.device(fd)?;
                Ok(0)
            }
            Call::Unread(fd) => {
                let id = self.lookup(fd)?;
                Ok(self.receive(id, usize::MAX, true)?.len() as u64)
            }
            Call::TryRecv(..)
            | Call::TryRecvFrom(..)
            | Call::TrySend(..)
            | Call::TrySendTo(..)
            | Call::TryRead(..)
            | Call::TryWrite(..) => self.try_io(call),
        }
    }

    fn make_eventfd(&mut self) -> Errno<u64> {
        if !self.has_room() {
            return Err(libc::EMFILE);
        }
        let id = self.make(Thing::Eventfd(0));
        Ok(self.install(id) as u64)
    }

    fn make_pipe(&mut self) -> Errno<[RawFd; 2]> {
        let ends = self.make_pair(libc::AF_UNIX, PIPE)?;
        for (end, how) in [(ends[0], libc::SHUT_WR), (ends[1], libc::SHUT_RD)] {
            let id = self.lookup(end)?;
            self.half(id, how);
        }
        Ok(ends)
    }

    fn peer_of(&mut self, fd: RawFd) -> Errno<SockAddr> {
        let id = self.lookup(fd)?;
        let socket = self.socket(id)?;
        if socket.peer.is_none() && socket.stream().is_none() {
            return Err(libc::ENOTCONN);
        }
        Ok(socket.address(socket.peer.as_ref()))
    }

    fn option(&mut self, fd: RawFd, which: (i32, i32), value: &mut [u8]) -> Errno<u64> {
        let id = self.lookup(fd)?;
        let socket = self.socket(id)?;
        let number = match which {
            (libc::SOL_SOCKET, libc::SO_ERROR) => socket.take_error(),
            (libc::SOL_SOCKET, libc::SO_TYPE) => Some(socket.kind),
            (libc::SOL_SOCKET, libc::SO_DOMAIN) => Some(socket.domain),
            _ => None,
        };
        let number = number.map(|number| number.to_ne_bytes().to_vec());
        let stored = number.or_else(|| socket.options.get(&which).cloned());
        value.fill(0);
        for (to, from) in value.iter_mut().zip(stored.unwrap_or_default()) {
            *to = from;
        }
        Ok(0)
    }

    fn device(&mut self, fd: RawFd) -> Errno<Device> {
        let id = self.lookup(fd)?;
        let (mode, remote) = self.kind_of(id);
        Ok(Device {
            major: 0,
            minor: if remote { 2 } else { 1 },
            inode: id,
            mode,
        })
    }

    /// Reads and writes that do not wait.
    fn try_io(&mut self, call: Call<'_>) -> Errno<u64> {
        match call {
            Call::TryRecv(fd, buf, flags) => {
                let (id, peek) = (self.lookup(fd)?, flags & libc::MSG_PEEK != 0);
                let bytes = if self.is_datagrams(id) {
                    self.receive_datagram(id, peek)?.0
                } else {
                    self.receive(id, buf.len(), peek)?
                };
                Ok(copy(&bytes, buf))
            }
            Call::TryRecvFrom(fd, buf, from) => {
                let id = self.lookup(fd)?;
                let (data, sender) = self.receive_datagram(id, false)?;
                copy(&data, buf);
                *from = self.socket(id)?.address(sender.as_ref());
                Ok(data.len() as u64)
            }
            Call::TryRead(fd, buf) => {
                let id = self.lookup(fd)?;
                let bytes = match self.thing(id) {
                    Some(Thing::File { .. }) => self.read_file(id, buf.len(), u64::MAX)?,
                    _ => self.receive(id, buf.len(), false)?,
                };
                Ok(copy(&bytes, buf))
            }
            Call::TrySend(fd, buf) | Call::TryWrite(fd, buf) => {
                let id = self.lookup(fd)?;
                let datagrams = self.is_datagrams(id);
                let sent = match self.thing(id) {
                    Some(Thing::File { .. }) => self.write_file(id, buf, u64::MAX),
                    _ if datagrams => self.send_datagram(id, buf.to_vec(), None),
                    _ => self.send(id, buf),
                };
                sent.map(|n| n as u64)
            }
            Call::TrySendTo(fd, buf, to) => {
                let id = self.lookup(fd)?;
                let sent = self.send_datagram(id, buf.to_vec(), Name::of(to));
                sent.map(|n| n as u64)
            }
            _ => Err(libc::EINVAL),
        }
    }
}

/// A socket's type without the flags that go with it.
fn bare(kind: i32) -> i32 {
    kind & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)
}

fn copy(from: &[u8], to: &mut [u8]) -> u64 {
    let n = from.len().min(to.len());
    to[..n].copy_from_slice(&from[..n]);
    n as u64
}
