//! From what a caller writes (`"localhost:80"`, a `SocketAddr`, a list) to addresses.
//! Literals are read on the spot; names go to getaddrinfo(3) on the pool of threads, for it blocks.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use sakia_driver::{Blocking, Driver, spawn_blocking};

/// Is implemented for what can be resolved to socket addresses, without blocking the thread.
///
/// As std's trait of that name, but awaited, and sealed. Addresses and their texts need no thread; names ask getaddrinfo(3) on the
/// runtime's pool of threads.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use std::net::{Ipv4Addr, SocketAddr};
///
/// let here: SocketAddr = "127.0.0.1:0".parse().unwrap();
/// sakia::net::TcpListener::bind(here).await?;
/// sakia::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
/// sakia::net::TcpListener::bind("127.0.0.1:0").await?;
/// sakia::net::TcpListener::bind(("localhost", 0)).await?;
/// sakia::net::TcpListener::bind(&[here, here][..]).await?;
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub trait ToSocketAddrs: sealed::Resolve {}

impl<T: sealed::Resolve + ?Sized> ToSocketAddrs for T {}

mod sealed {
    /// See [`ToSocketAddrs`](super::ToSocketAddrs).
    pub trait Resolve {
        /// What is known at once, and what has to be asked.
        fn resolve(&self) -> super::Target;
    }
}

/// What a caller has named, read as far as that goes without asking anybody.
#[derive(Debug)]
pub enum Target {
    Known(Addrs),
    Name(String, u16),
    Malformed(&'static str),
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Self::Known(Addrs::one(addr))
    }
}

/// A host that may be an address or a name.
fn host(host: &str, port: u16) -> Target {
    match host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port).into(),
        Err(_) => Target::Name(host.to_owned(), port),
    }
}

macro_rules! resolve {
    ($($type:ty: |$this:ident| $target:expr),+ $(,)?) => {
        $(impl sealed::Resolve for $type {
            fn resolve(&self) -> Target {
                let $this = self;
                $target
            }
        })+
    };
}

resolve! {
    SocketAddr: |addr| (*addr).into(),
    SocketAddrV4: |addr| SocketAddr::V4(*addr).into(),
    SocketAddrV6: |addr| SocketAddr::V6(*addr).into(),
    (IpAddr, u16): |pair| SocketAddr::from(*pair).into(),
    (Ipv4Addr, u16): |pair| SocketAddr::from(*pair).into(),
    (Ipv6Addr, u16): |pair| SocketAddr::from(*pair).into(),
    [SocketAddr]: |list| Target::Known(Addrs::many(list.to_vec())),
    (&str, u16): |pair| host(pair.0, pair.1),
    (String, u16): |pair| host(&pair.0, pair.1),
    String: |text| text.as_str().resolve(),
    Vec<SocketAddr>: |list| list.as_slice().resolve(),
}

impl<const N: usize> sealed::Resolve for [SocketAddr; N] {
    fn resolve(&self) -> Target {
        self.as_slice().resolve()
    }
}

impl sealed::Resolve for str {
    fn resolve(&self) -> Target {
        if let Ok(addr) = self.parse::<SocketAddr>() {
            return addr.into();
        }
        let Some((name, port)) = self.rsplit_once(':') else {
            return Target::Malformed("the address has no port: it should read host:port");
        };
        match port.parse() {
            Ok(port) => host(name, port),
            Err(_) => Target::Malformed("the port of the address is not a number up to 65535"),
        }
    }
}

impl<T: sealed::Resolve + ?Sized> sealed::Resolve for &T {
    fn resolve(&self) -> Target {
        (**self).resolve()
    }
}

/// The addresses that a name stands for, in the order in which they should be tried.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let mut addrs = sakia::net::lookup_host("[::1]:80").await?;
/// assert_eq!(addrs.next(), Some("[::1]:80".parse().unwrap()));
/// assert_eq!(addrs.next(), None);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Addrs {
    /// A single address, which is most of them, needs no list.
    one: Option<SocketAddr>,
    many: vec::IntoIter<SocketAddr>,
}

impl Addrs {
    fn one(addr: SocketAddr) -> Self {
        Self {
            one: Some(addr),
            many: Vec::new().into_iter(),
        }
    }

    fn many(list: Vec<SocketAddr>) -> Self {
        Self {
            one: None,
            many: list.into_iter(),
        }
    }
}

impl Iterator for Addrs {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        self.one.take().or_else(|| self.many.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.one.is_some()) + self.many.len();
        (left, Some(left))
    }
}

impl fmt::Debug for Addrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// Resolves a name: the future of [`lookup_host`].
///
/// # Cancellation
///
/// A lookup that no thread has begun is not made; one that runs goes on, and its answer is dropped.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct LookupHost {
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Read(Target),
    Asking(Blocking<io::Result<Vec<SocketAddr>>>),
    Done,
}

impl LookupHost {
    pub(crate) fn of(target: &(impl ToSocketAddrs + ?Sized)) -> Self {
        Self {
            stage: Stage::Read(target.resolve()),
        }
    }
}

/// Resolves a name to its addresses (getaddrinfo(3)).
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let addrs = sakia::net::lookup_host("localhost:80").await?;
/// assert!(addrs.into_iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
///
/// # Errors
///
/// `InvalidInput` for a text without a port; else what the resolver says.
///
/// # Panics
///
/// The future of a name panics outside a runtime: it needs its pool of threads.
pub fn lookup_host(target: impl ToSocketAddrs) -> LookupHost {
    LookupHost::of(&target)
}

/// Asks the resolver; runs on a thread of the pool.
fn ask(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    std::net::ToSocketAddrs::to_socket_addrs(&(name, port)).map(Iterator::collect)
}

impl Future for LookupHost {
    type Output = io::Result<Addrs>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Read(Target::Known(addrs)) => return Poll::Ready(Ok(addrs)),
                Stage::Read(Target::Malformed(why)) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, why)));
                }
                Stage::Read(Target::Name(name, port)) => {
                    if let Some(driver) = Driver::current() {
                        driver.is_this_machine()?;
                    }
                    self.stage = Stage::Asking(spawn_blocking(move || ask(&name, port)));
                }
                Stage::Asking(mut asking) => {
                    let Poll::Ready(answer) = Pin::new(&mut asking).poll(cx) else {
                        self.stage = Stage::Asking(asking);
                        return Poll::Pending;
                    };
                    return Poll::Ready(answer?.map(Addrs::many));
                }
                Stage::Done => panic!("a lookup was polled after it had completed"),
            }
        }
    }
}

/// The addresses of a target, one after the other: what bind and connect walk along.
#[derive(Debug)]
pub struct Walk {
    lookup: Option<LookupHost>,
    rest: Option<Addrs>,
}

impl Walk {
    pub fn of(target: &(impl ToSocketAddrs + ?Sized)) -> Self {
        Self {
            lookup: Some(LookupHost::of(target)),
            rest: None,
        }
    }

    /// The next address; `None` after the last.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<SocketAddr>>> {
        if let Some(lookup) = &mut self.lookup {
            let addrs = ready!(Pin::new(lookup).poll(cx));
            self.lookup = None;
            self.rest = Some(addrs?);
        }
        Poll::Ready(Ok(self.rest.as_mut().and_then(Iterator::next)))
    }
}

/// What failed, with which address; the kind is the kind of the system's error, and the source is that error.
#[derive(Debug)]
struct AddrError {
    what: &'static str,
    addr: SocketAddr,
    source: io::Error,
}

impl fmt::Display for AddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.what, self.addr, self.source)
    }
}

impl std::error::Error for AddrError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Says which address an error is about.
pub fn at(what: &'static str, addr: SocketAddr, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), AddrError { what, addr, source })
}

/// The error of a target that has no address at all.
pub fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the name stands for no address",
    )
}

#[cfg(test)]
mod tests {
    use super::sealed::Resolve;
    use super::*;

    fn known(target: impl ToSocketAddrs) -> Vec<SocketAddr> {
        match target.resolve() {
            Target::Known(addrs) => addrs.collect(),
            other => panic!("{other:?} would ask the resolver"),
        }
    }

    #[test]
    fn literals_of_both_families_never_ask_the_resolver() {
        let v4: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let v6: SocketAddr = "[::1]:80".parse().unwrap();
        assert_eq!(known("127.0.0.1:80"), [v4]);
        assert_eq!(known("[::1]:80"), [v6]);
        assert_eq!(known(("::1", 80)), [v6]);
        assert_eq!(known((String::from("127.0.0.1"), 80)), [v4]);
        assert_eq!(known((Ipv6Addr::LOCALHOST, 80)), [v6]);
        assert_eq!(known([v4, v6]), [v4, v6]);
        assert_eq!(known(&[v4, v6][..]), [v4, v6]);
    }

    #[test]
    fn names_are_asked_for_and_texts_without_a_port_are_refused() {
        assert!(
            matches!("example.org:80".resolve(), Target::Name(name, 80) if name == "example.org")
        );
        assert!(matches!("example.org".resolve(), Target::Malformed(_)));
        assert!(matches!("example.org:".resolve(), Target::Malformed(_)));
        assert!(matches!(
            "example.org:65536".resolve(),
            Target::Malformed(_)
        ));
    }
}
