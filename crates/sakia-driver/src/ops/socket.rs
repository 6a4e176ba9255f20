//! socket(2) on the ring, and what is answered on the spot: bind, listen, names, options, shutdown.

use std::io;
use std::net::Shutdown;

use crate::addr::SockAddr;
use crate::driver::Driver;
use crate::fd::{Fd, Kind, Origin};
use crate::kernel::KernelFd;
use crate::kernel::abi::{Sqe, opcode};
use crate::kernel::call::{self, Call};
use crate::op::ancillary::Credentials;
use crate::op::future::Submit;
use crate::op::{Cancel, Completion, Holds, Op, Yields};

/// The op of [`socket`].
#[derive(Debug)]
pub struct OpenSocket {
    domain: i32,
    kind: i32,
    protocol: i32,
}

// SAFETY: the SQE names no memory and no descriptor; the result is a descriptor.
unsafe impl Op for OpenSocket {
    type Output = io::Result<Fd>;
    const CANCEL: Cancel = Cancel::Eager;
    const YIELDS: Yields = Yields::Descriptor(Kind::Socket);

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let kind = self.kind | libc::SOCK_CLOEXEC;
        *sqe = Sqe::rw(
            opcode::SOCKET,
            self.domain,
            0,
            self.protocol as u32,
            kind as u64,
        );
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.into_fd(Kind::Socket)
    }
}

/// Makes a socket (`IORING_OP_SOCKET`, Linux 5.19; socket(2)).
pub fn socket(domain: i32, kind: i32, protocol: i32) -> Submit<OpenSocket> {
    Submit::new(OpenSocket {
        domain,
        kind,
        protocol,
    })
}

impl Fd {
    /// Makes a socket with socket(2), which never blocks: no turn is spent on it.
    ///
    /// # Errors
    /// As socket(2); and outside a runtime.
    #[track_caller]
    pub fn socket(domain: i32, kind: i32, protocol: i32) -> io::Result<Self> {
        let origin = Origin::caller();
        let driver = Driver::admit()?;
        let raw = driver.call(Call::Socket(domain, kind | libc::SOCK_CLOEXEC, protocol))?;
        let fd = Self::on(&driver, KernelFd::adopt(raw as i32), Kind::Socket);
        Ok(fd.asked_at(origin))
    }

    fn call(&self, call: Call<'_>) -> io::Result<u64> {
        self.inner().driver().call(call)
    }

    /// bind(2).
    ///
    /// # Errors
    /// As bind(2).
    pub fn bind(&self, addr: &SockAddr) -> io::Result<()> {
        self.call(Call::Bind(self.inner().raw(), addr)).map(drop)
    }

    /// listen(2).
    ///
    /// # Errors
    /// As listen(2).
    pub fn listen(&self, backlog: i32) -> io::Result<()> {
        self.call(Call::Listen(self.inner().raw(), backlog))
            .map(drop)
    }

    /// getsockname(2).
    ///
    /// # Errors
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SockAddr> {
        let mut addr = SockAddr::empty();
        self.call(Call::SockName(self.inner().raw(), &mut addr))?;
        Ok(addr)
    }

    /// getpeername(2).
    ///
    /// # Errors
    /// As getpeername(2).
    pub fn peer_addr(&self) -> io::Result<SockAddr> {
        let mut addr = SockAddr::empty();
        self.call(Call::PeerName(self.inner().raw(), &mut addr))?;
        Ok(addr)
    }

    /// shutdown(2), on the spot: the ring would hand it to a worker thread, and it does not block.
    ///
    /// # Errors
    /// As shutdown(2).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => libc::SHUT_RD,
            Shutdown::Write => libc::SHUT_WR,
            Shutdown::Both => libc::SHUT_RDWR,
        };
        self.call(Call::Shutdown(self.inner().raw(), how)).map(drop)
    }

    /// setsockopt(2) of an option that is an `int`.
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn set_option(&self, level: i32, name: i32, value: i32) -> io::Result<()> {
        self.call(Call::SetOption(
            self.inner().raw(),
            level,
            name,
            &value.to_ne_bytes(),
        ))
        .map(drop)
    }

    /// getsockopt(2) of an option that is an `int`.
    ///
    /// # Errors
    /// As getsockopt(2).
    pub fn option(&self, level: i32, name: i32) -> io::Result<i32> {
        let mut value = [0; 4];
        self.call(Call::GetOption(self.inner().raw(), level, name, &mut value))?;
        Ok(i32::from_ne_bytes(value))
    }

    /// Who is at the other end of a Unix socket (SO_PEERCRED).
    ///
    /// # Errors
    /// As getsockopt(2).
    pub fn peer_credentials(&self) -> io::Result<Credentials> {
        let mut value = [0; Credentials::LEN];
        self.call(Call::GetOption(
            self.inner().raw(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            &mut value,
        ))?;
        Ok(Credentials::read(value))
    }

    /// Sets SO_LINGER, in seconds. Such a socket is closed by a worker thread of the kernel's: the close may take that long.
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn set_linger(&self, seconds: Option<u16>) -> io::Result<()> {
        // struct linger { int l_onoff; int l_linger; }
        let mut value = [0; 8];
        value[..4].copy_from_slice(&i32::from(seconds.is_some()).to_ne_bytes());
        value[4..].copy_from_slice(&i32::from(seconds.unwrap_or(0)).to_ne_bytes());
        self.call(Call::SetOption(
            self.inner().raw(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            &value,
        ))?;
        self.note_linger(seconds.is_some());
        Ok(())
    }

    /// SO_LINGER, in seconds.
    ///
    /// # Errors
    /// As getsockopt(2).
    pub fn linger(&self) -> io::Result<Option<u16>> {
        let mut value = [0; 8];
        self.call(Call::GetOption(
            self.inner().raw(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            &mut value,
        ))?;
        let int = |at: usize| {
            i32::from_ne_bytes([value[at], value[at + 1], value[at + 2], value[at + 3]])
        };
        let (on, seconds) = (int(0), int(4));
        Ok((on != 0).then(|| u16::try_from(seconds).unwrap_or(u16::MAX)))
    }

    /// lseek(2).
    ///
    /// # Errors
    /// As lseek(2): `ESPIPE` on what has no position.
    pub fn seek(&self, offset: i64, whence: i32) -> io::Result<u64> {
        self.call(Call::Seek(self.inner().raw(), offset, whence))
    }

    /// The file type and mode (`st_mode`), as far as the kernel knows them without asking a server.
    ///
    /// # Errors
    /// As statx(2).
    pub fn mode(&self) -> io::Result<u32> {
        let mut device = call::Device::default();
        self.call(Call::Device(self.inner().raw(), &mut device))?;
        Ok(device.mode)
    }
}
