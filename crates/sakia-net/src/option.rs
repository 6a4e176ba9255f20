//! Socket options: what setsockopt(2) and getsockopt(2) answer on the spot, for handles of any noun.

use std::io;
use std::time::Duration;

use sakia_driver::Fd;

/// Sets how a TCP connection that says nothing is probed.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use std::time::Duration;
/// use sakia::net::{TcpKeepalive, TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let stream = TcpStream::connect(listener.local_addr()?).await?;
/// let minute = Duration::from_secs(60);
/// stream.set_tcp_keepalive(&TcpKeepalive::new().with_time(minute).with_retries(3))?;
/// assert!(stream.keepalive()?);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpKeepalive {
    /// How long the connection is silent before the first probe (`TCP_KEEPIDLE`); the system's default if `None`.
    pub time: Option<Duration>,
    /// How long it is between probes (`TCP_KEEPINTVL`); the system's default if `None`.
    pub interval: Option<Duration>,
    /// How many probes go unanswered before the connection is given up (`TCP_KEEPCNT`); the system's default if `None`.
    pub retries: Option<u32>,
}

impl TcpKeepalive {
    /// Keeps to the system's defaults: two hours, then nine probes, 75 seconds apart.
    ///
    /// ```
    /// let keepalive = sakia::net::TcpKeepalive::new();
    /// assert_eq!(keepalive.time, None);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long the connection is silent before the first probe; parts of a second are rounded up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let keepalive = sakia::net::TcpKeepalive::new().with_time(Duration::from_secs(30));
    /// assert_eq!(keepalive.time, Some(Duration::from_secs(30)));
    /// ```
    #[must_use]
    pub fn with_time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Sets how long it is between probes; parts of a second are rounded up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let keepalive = sakia::net::TcpKeepalive::new().with_interval(Duration::from_secs(5));
    /// assert_eq!(keepalive.interval, Some(Duration::from_secs(5)));
    /// ```
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Sets how many probes go unanswered before the connection is given up.
    ///
    /// ```
    /// let keepalive = sakia::net::TcpKeepalive::new().with_retries(3);
    /// assert_eq!(keepalive.retries, Some(3));
    /// ```
    #[must_use]
    pub fn with_retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }
}

/// Whole seconds, rounded up: a short time must not become none.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// A number as the kernel takes it; it refuses itself what is too much.
fn int(value: impl TryInto<i32>) -> i32 {
    value.try_into().unwrap_or(i32::MAX)
}

pub fn set_flag(fd: &Fd, level: i32, name: i32, on: bool) -> io::Result<()> {
    fd.set_option(level, name, i32::from(on))
}

pub fn flag(fd: &Fd, level: i32, name: i32) -> io::Result<bool> {
    fd.option(level, name).map(|value| value != 0)
}

pub fn set_keepalive(fd: &Fd, keepalive: &TcpKeepalive) -> io::Result<()> {
    if let Some(time) = keepalive.time {
        fd.set_option(libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, int(seconds(time)))?;
    }
    if let Some(interval) = keepalive.interval {
        fd.set_option(
            libc::IPPROTO_TCP,
            libc::TCP_KEEPINTVL,
            int(seconds(interval)),
        )?;
    }
    if let Some(retries) = keepalive.retries {
        fd.set_option(libc::IPPROTO_TCP, libc::TCP_KEEPCNT, int(retries))?;
    }
    set_flag(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, true)
}

fn is_v6(fd: &Fd) -> io::Result<bool> {
    Ok(fd.local_addr()?.family() == libc::AF_INET6)
}

/// The time to live; on IPv6, where std sets an option that no packet heeds, the hop limit as well.
pub fn set_ttl(fd: &Fd, ttl: u32) -> io::Result<()> {
    if is_v6(fd)? {
        fd.set_option(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, int(ttl))?;
    }
    fd.set_option(libc::IPPROTO_IP, libc::IP_TTL, int(ttl))
}

pub fn ttl(fd: &Fd) -> io::Result<u32> {
    let ttl = if is_v6(fd)? {
        fd.option(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS)?
    } else {
        fd.option(libc::IPPROTO_IP, libc::IP_TTL)?
    };
    Ok(ttl.unsigned_abs())
}

pub fn set_linger(fd: &Fd, linger: Option<Duration>) -> io::Result<()> {
    fd.set_linger(linger.map(|time| u16::try_from(seconds(time)).unwrap_or(u16::MAX)))
}

pub fn linger(fd: &Fd) -> io::Result<Option<Duration>> {
    Ok(fd.linger()?.map(|time| Duration::from_secs(time.into())))
}

/// SO_RCVBUF or SO_SNDBUF.
pub fn set_buffer(fd: &Fd, name: i32, size: usize) -> io::Result<()> {
    fd.set_option(libc::SOL_SOCKET, name, int(size))
}

pub fn buffer(fd: &Fd, name: i32) -> io::Result<usize> {
    let size = fd.option(libc::SOL_SOCKET, name)?;
    Ok(usize::try_from(size).unwrap_or(0))
}

/// SO_ERROR, which the kernel clears when it is read.
pub fn take_error(fd: &Fd) -> io::Result<Option<io::Error>> {
    let errno = fd.option(libc::SOL_SOCKET, libc::SO_ERROR)?;
    Ok((errno != 0).then(|| io::Error::from_raw_os_error(errno)))
}

pub fn set_passcred(fd: &Fd, on: bool) -> io::Result<()> {
    set_flag(fd, libc::SOL_SOCKET, libc::SO_PASSCRED, on)
}

pub fn passcred(fd: &Fd) -> io::Result<bool> {
    flag(fd, libc::SOL_SOCKET, libc::SO_PASSCRED)
}
