//! What each op does: its SQE read as io_uring_enter(2) says, carried out on the world.

use super::lent::{self, Lent};
use super::ring::Flight;
use super::socket::{Name, PIPE, Socket};
use super::world::{Thing, World};
use crate::addr::SockAddr;
use crate::kernel::abi::{Sqe, opcode};

/// What an op has done.
pub(super) struct Effect {
    pub(super) res: i32,
    /// What is written to the memory that was lent to be filled.
    pub(super) data: Vec<u8>,
    /// Whether the result is a descriptor.
    pub(super) yields: bool,
    /// What else is written, when the completion is posted.
    pub(super) write: Option<Box<dyn FnOnce()>>,
}

impl Effect {
    pub(super) fn result(res: i32) -> Self {
        Self {
            res,
            data: Vec::new(),
            yields: false,
            write: None,
        }
    }

    pub(super) fn moved(n: usize, data: Vec<u8>) -> Self {
        Self {
            data,
            ..Self::result(n as i32)
        }
    }
}

/// How far an op has come.
pub(super) enum Progress {
    Done(Effect),
    /// It waits until something happens to its descriptor.
    Armed,
    /// It comes again after so many nanoseconds.
    Again(u64),
}

type Errno<T> = Result<T, i32>;

fn done(result: Errno<i32>) -> Progress {
    Progress::Done(Effect::result(result.unwrap_or_else(|errno| -errno)))
}

/// `EAGAIN` means that the op is armed, but where the program asked not to wait.
fn or_armed(sqe: &Sqe, result: Errno<Effect>) -> Progress {
    match result {
        Ok(effect) => Progress::Done(effect),
        Err(libc::EAGAIN) if !wants(sqe, libc::MSG_DONTWAIT) => Progress::Armed,
        Err(errno) => done(Err(errno)),
    }
}

/// What a recvmsg(2) writes beside the data.
fn sender_of(sqe: &Sqe, from: SockAddr, cut: bool) -> Option<Box<dyn FnOnce()>> {
    let message = sqe.addr;
    (sqe.opcode == opcode::RECVMSG)
        .then(|| Box::new(move || lent::set_sender(message, &from, cut)) as Box<dyn FnOnce()>)
}

fn wants(sqe: &Sqe, flag: i32) -> bool {
    let has_flags = matches!(
        sqe.opcode,
        opcode::RECV | opcode::SEND | opcode::RECVMSG | opcode::SENDMSG
    );
    has_flags && sqe.op_flags as i32 & flag != 0
}

/// Whether the kernel reads the buffer, or writes to it.
fn reads_buffer(code: u8) -> Option<bool> {
    match code {
        opcode::WRITE | opcode::WRITEV | opcode::SEND | opcode::SENDMSG => Some(true),
        opcode::READ | opcode::READV | opcode::RECV | opcode::RECVMSG => Some(false),
        _ => None,
    }
}

/// The opcodes that a simulation knows.
pub(super) fn is_known(code: u8) -> bool {
    opcode::name(code) != "UNKNOWN" && !matches!(code, opcode::SPLICE | opcode::MSG_RING)
}

impl World {
    /// Takes note of the memory that an op lends.
    pub(super) fn take_loan(&mut self, flight: &mut Flight) {
        let sqe = flight.sqe;
        if let Some(reads) = reads_buffer(sqe.opcode) {
            let pieces = match sqe.opcode {
                opcode::READV | opcode::WRITEV => lent::iovecs(sqe.addr, sqe.len as usize),
                opcode::RECVMSG | opcode::SENDMSG => {
                    let message = lent::message(sqe.addr);
                    lent::iovecs(message.msg_iov as u64, message.msg_iovlen)
                }
                _ => vec![(sqe.addr, sqe.len as usize)],
            };
            flight.lent = if reads {
                Lent::read(pieces)
            } else {
                Lent::fill(pieces, self.random.next() as u8)
            };
        }
        let paths = match sqe.opcode {
            opcode::OPENAT | opcode::OPENAT2 | opcode::STATX | opcode::UNLINKAT => {
                vec![sqe.addr]
            }
            opcode::MKDIRAT => vec![sqe.addr],
            opcode::RENAMEAT | opcode::SYMLINKAT | opcode::LINKAT => vec![sqe.addr, sqe.off],
            _ => Vec::new(),
        };
        flight.paths = paths
            .into_iter()
            .map(|addr| (addr, lent::path(addr)))
            .collect();
    }

    /// Tries to do what the op asks for.
    pub(super) fn carry_out(&mut self, flight: &mut Flight) -> Progress {
        let sqe = flight.sqe;
        if let Some(errno) = flight.fault {
            return self.failed(flight, errno);
        }
        // The path is read when the op is carried out, however late: it must still be there.
        let path = |at: usize| {
            let addr = flight.paths.get(at).map(|(addr, _)| *addr);
            addr.map_or_else(Vec::new, lent::path)
        };
        let id = flight.object.unwrap_or(0);
        match sqe.opcode {
            opcode::NOP => done(Ok(0)),
            opcode::TIMEOUT => done(Err(libc::ETIME)),
            opcode::CLOSE => done(self.close(sqe.fd).map(|()| 0)),
            opcode::OPENAT => {
                let opened = self.open(sqe.fd, &path(0), sqe.op_flags as i32, 0);
                self.yielded(opened)
            }
            opcode::OPENAT2 => {
                let how = lent::open_how(sqe.off);
                let opened = self.open(sqe.fd, &path(0), how.flags as i32, how.resolve);
                self.yielded(opened)
            }
            opcode::SOCKET => {
                let kind = sqe.off as i32 & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
                let made = self.make_socket(sqe.fd, kind);
                self.yielded(made)
            }
            opcode::ACCEPT => self.accepted(&sqe, id),
            opcode::CONNECT => self.connected(flight, id),
            opcode::POLL_ADD => {
                let asked = sqe.op_flags as i16 | libc::POLLERR | libc::POLLHUP;
                match self.ready(id) & asked {
                    0 => Progress::Armed,
                    mask => done(Ok(i32::from(mask))),
                }
            }
            opcode::READ | opcode::READV | opcode::RECV | opcode::RECVMSG => {
                self.received(flight, id)
            }
            opcode::WRITE | opcode::WRITEV | opcode::SEND | opcode::SENDMSG => {
                self.sent(flight, id)
            }
            opcode::FSYNC | opcode::FADVISE => match self.thing(id) {
                Some(Thing::File { .. }) => done(Ok(0)),
                _ => done(Err(libc::EINVAL)),
            },
            opcode::FTRUNCATE => done(self.resize(id, sqe.off, true).map(|()| 0)),
            opcode::FALLOCATE if sqe.len != 0 => done(Err(libc::EOPNOTSUPP)),
            opcode::FALLOCATE => {
                let end = sqe.off.saturating_add(sqe.addr);
                done(self.resize(id, end, false).map(|()| 0))
            }
            opcode::STATX => done(self.statx(&sqe, &path(0)).map(|()| 0)),
            opcode::UNLINKAT
            | opcode::RENAMEAT
            | opcode::MKDIRAT
            | opcode::SYMLINKAT
            | opcode::LINKAT => done(self.rename_or_such(&sqe, &path(0), &path(1)).map(|()| 0)),
            _ => done(Err(libc::EINVAL)),
        }
    }

    /// An error that was asked for.
    fn failed(&mut self, flight: &Flight, errno: i32) -> Progress {
        if flight.sqe.opcode == opcode::CLOSE && errno != libc::ECANCELED {
            // The number is gone whatever the answer.
            let _ = self.close(flight.sqe.fd);
        }
        if let (libc::ECONNRESET, Some(id)) = (errno, flight.object) {
            self.reset(id);
            // This op tells it.
            if let Ok(socket) = self.socket(id) {
                socket.error = 0;
            }
        }
        done(Err(errno))
    }

    fn yielded(&mut self, made: Errno<u64>) -> Progress {
        match made {
            Ok(id) => Progress::Done(Effect {
                yields: true,
                ..Effect::result(self.install(id))
            }),
            Err(errno) => done(Err(errno)),
        }
    }

    pub(super) fn make_socket(&mut self, domain: i32, kind: i32) -> Errno<u64> {
        if !self.has_room() {
            return Err(libc::EMFILE);
        }
        if !matches!(domain, libc::AF_INET | libc::AF_INET6 | libc::AF_UNIX) {
            return Err(libc::EAFNOSUPPORT);
        }
        if !matches!(kind, libc::SOCK_STREAM | libc::SOCK_DGRAM | PIPE) {
            return Err(libc::ESOCKTNOSUPPORT);
        }
        Ok(self.make(Thing::Socket(Socket::new(domain, kind))))
    }

    fn accepted(&mut self, sqe: &Sqe, listener: u64) -> Progress {
        let taken = self.accept(listener);
        let effect = taken.and_then(|id| {
            let fd = self.install(id);
            // The descriptor's reference is there: the backlog's own goes.
            self.release(id);
            let socket = self.socket(id)?;
            let peer = socket.address(socket.peer.as_ref());
            let (addr, len) = (sqe.addr, sqe.off);
            let write: Option<Box<dyn FnOnce()>> = (addr != 0).then(|| {
                Box::new(move || lent::set_address(addr, len, &peer)) as Box<dyn FnOnce()>
            });
            Ok(Effect {
                yields: true,
                write,
                ..Effect::result(fd)
            })
        });
        or_armed(sqe, effect)
    }

    fn connected(&mut self, flight: &mut Flight, id: u64) -> Progress {
        let to = lent::address(flight.sqe.addr, flight.sqe.off as usize);
        let Some(to) = Name::of(&to) else {
            return done(Err(libc::EAFNOSUPPORT));
        };
        match self.connect(id, &to, flight.done) {
            Ok(()) => done(Ok(0)),
            Err((libc::EAGAIN, delay)) => {
                flight.done += 1;
                Progress::Again(delay)
            }
            Err((errno, _)) => done(Err(errno)),
        }
    }

    pub(super) fn is_datagrams(&mut self, id: u64) -> bool {
        self.socket(id)
            .is_ok_and(|socket| socket.kind == libc::SOCK_DGRAM)
    }

    fn received(&mut self, flight: &mut Flight, id: u64) -> Progress {
        let sqe = flight.sqe;
        let room = flight.lent.len() - flight.done;
        let peek = wants(&sqe, libc::MSG_PEEK);
        match self.thing(id) {
            Some(Thing::File { .. }) => {
                let read = self.read_file(id, room, sqe.off);
                return or_armed(&sqe, read.map(|data| Effect::moved(data.len(), data)));
            }
            Some(Thing::Eventfd(count)) => {
                let value = std::mem::take(count);
                let read = if value == 0 {
                    Err(libc::EAGAIN)
                } else {
                    Ok(Effect::moved(8, value.to_ne_bytes().to_vec()))
                };
                return or_armed(&sqe, read);
            }
            Some(Thing::Socket(_)) => {}
            Some(Thing::Ring) | None => return done(Err(libc::EBADF)),
        }
        if self.is_datagrams(id) {
            self.datagram_received(&sqe, id, room, peek)
        } else {
            self.stream_received(flight, id, room, peek)
        }
    }

    fn datagram_received(&mut self, sqe: &Sqe, id: u64, room: usize, peek: bool) -> Progress {
        let received = self.receive_datagram(id, peek);
        let effect = received.and_then(|(mut data, from)| {
            let whole = data.len();
            data.truncate(room);
            let from = self.socket(id)?.address(from.as_ref());
            Ok(Effect {
                write: sender_of(sqe, from, whole > room),
                ..Effect::moved(data.len(), data)
            })
        });
        or_armed(sqe, effect)
    }

    fn stream_received(
        &mut self,
        flight: &mut Flight,
        id: u64,
        room: usize,
        peek: bool,
    ) -> Progress {
        let sqe = flight.sqe;
        let all = wants(&sqe, libc::MSG_WAITALL) && !peek;
        match self.receive(id, room, peek) {
            Ok(data) => {
                let over = data.is_empty();
                flight.done += data.len();
                flight.data.extend(data);
                if all && !over && flight.done < flight.lent.len() {
                    return Progress::Again(1);
                }
                let data = std::mem::take(&mut flight.data);
                Progress::Done(Effect {
                    write: sender_of(&sqe, SockAddr::from_bytes(&[]), false),
                    ..Effect::moved(flight.done, data)
                })
            }
            Err(errno) if errno != libc::EAGAIN && flight.done > 0 => {
                // The bytes first: the error is told by the next call.
                if let Ok(socket) = self.socket(id) {
                    socket.error = errno;
                }
                let data = std::mem::take(&mut flight.data);
                Progress::Done(Effect::moved(flight.done, data))
            }
            Err(errno) => or_armed(&sqe, Err(errno)),
        }
    }

    fn sent(&mut self, flight: &mut Flight, id: u64) -> Progress {
        let sqe = flight.sqe;
        let data = flight.lent.bytes();
        if sqe.opcode == opcode::SENDMSG && lent::message(sqe.addr).msg_controllen > 0 {
            // Descriptors do not travel in a simulation.
            return done(Err(libc::EOPNOTSUPP));
        }
        if let Some(Thing::File { .. }) = self.thing(id) {
            let written = self.write_file(id, &data, sqe.off);
            return or_armed(&sqe, written.map(|n| Effect::result(n as i32)));
        }
        if let Some(Thing::Eventfd(count)) = self.thing(id) {
            let bytes = data.get(..8).and_then(|bytes| bytes.try_into().ok());
            *count += bytes.map_or(1, u64::from_ne_bytes);
            self.touched(id);
            return done(Ok(8));
        }
        if self.is_datagrams(id) {
            let mut to = None;
            if sqe.opcode == opcode::SENDMSG {
                let message = lent::message(sqe.addr);
                if !message.msg_name.is_null() {
                    let len = message.msg_namelen as usize;
                    to = Name::of(&lent::address(message.msg_name as u64, len));
                }
            }
            let sent = self.send_datagram(id, data, to);
            return or_armed(&sqe, sent.map(|n| Effect::result(n as i32)));
        }
        match self.send(id, &data[flight.done..]) {
            Ok(n) => {
                flight.done += n;
                if wants(&sqe, libc::MSG_WAITALL) && flight.done < data.len() {
                    return Progress::Again(1);
                }
                done(Ok(flight.done as i32))
            }
            Err(errno) if errno != libc::EAGAIN && flight.done > 0 => done(Ok(flight.done as i32)),
            Err(errno) => or_armed(&sqe, Err(errno)),
        }
    }
}
