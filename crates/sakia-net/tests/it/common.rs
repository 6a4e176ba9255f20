//! A small runtime of one future over the driver, and pairs of sockets with a std peer. No assertion about sockets belongs here.

use std::future::{Future, poll_fn};
use std::io::Read;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use sakia_driver::{Config, Drained, Driver, Park, Unparker};
use sakia_net::{TcpListener, TcpStream};

/// How long a test may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(90);

/// Between fork and exec a child has every descriptor too, so that ports are not free and peers see no end. Whoever forks takes it alone.
static FORKS: RwLock<()> = RwLock::new(());

/// Runs something that forks, while no other test has sockets.
pub fn forking<R>(run: impl FnOnce() -> R) -> R {
    let _alone = FORKS.write().unwrap_or_else(PoisonError::into_inner);
    run()
}

struct Flag {
    woken: AtomicBool,
    unparker: Arc<Unparker>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.unparker.unpark();
    }
}

fn block_on<F: Future>(driver: &Driver, future: F) -> F::Output {
    let flag = Arc::new(Flag {
        woken: AtomicBool::new(true),
        unparker: driver.unparker(),
    });
    let waker = Waker::from(flag.clone());
    let started = Instant::now();
    let mut future = pin!(future);
    loop {
        if flag.woken.swap(false, Ordering::SeqCst)
            && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            return output;
        }
        assert!(started.elapsed() < PATIENCE, "the test hangs");
        let park = if flag.woken.load(Ordering::SeqCst) {
            Park::No
        } else {
            Park::For(PATIENCE)
        };
        let turned = driver.turn(park, || flag.woken.load(Ordering::SeqCst));
        turned.expect("the ring is alive");
    }
}

/// Runs a future on a driver of its own, ends the driver, and gives what the end has to say.
pub fn run_to_report<F: Future>(future: F) -> (F::Output, Drained) {
    let _no_fork = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    let config = {
        let mut config = Config::default();
        config.entries = 64;
        config
    };
    let driver = Driver::new(&config).expect("a ring can be made here");
    let output = driver.within(|| block_on(&driver, future));
    let report = driver.end(Instant::now() + Duration::from_secs(5));
    (output, report)
}

/// The same, and nothing may be left.
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    let (output, report) = run_to_report(future);
    let left = (report.ops_quarantined, report.still_held.len());
    assert_eq!(left, (0, 0), "{report:?}");
    output
}

/// Polls a future once.
pub async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Polls a future once; it must not be ready.
#[track_caller]
pub fn pends<F: Future + Unpin>(future: &mut F) -> impl Future<Output = ()> {
    poll_fn(|cx| {
        assert!(Pin::new(&mut *future).poll(cx).is_pending(), "it was ready");
        Poll::Ready(())
    })
}

/// Gives the loop some turns.
pub async fn laps(count: usize) {
    let mut left = count;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls a future at most `turns` times.
pub async fn for_turns<F: Future + Unpin>(turns: usize, future: &mut F) -> Option<F::Output> {
    for _ in 0..turns {
        if let Poll::Ready(output) = poll_once(future).await {
            return Some(output);
        }
        laps(1).await;
    }
    None
}

pub async fn sleep(time: Duration) {
    // Its answer is that the time was over.
    let _ = sakia_driver::ops::nap(time).await;
}

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Loopback at an address of this process alone, for a port that is given back and asked for again: meanwhile nobody else on the machine can have got
/// it, for a connection's own end is at 127.0.0.1.
pub fn own_loopback() -> SocketAddr {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 64 | (b & 63), c, d], 0))
}

/// A stream of ours and its peer.
pub async fn pair() -> (TcpStream, StdStream) {
    let listener = StdListener::bind(loopback()).expect("loopback has free ports");
    let addr = listener.local_addr().expect("it is bound");
    let ours = TcpStream::connect(addr).await.expect("it listens");
    let (peer, _) = listener.accept().expect("it was connected");
    peer.set_read_timeout(Some(PATIENCE))
        .expect("it is a socket");
    (ours, peer)
}

/// A listener whose accept was dropped after a connection had come for it, and that connection's peer.
pub async fn with_one_that_nobody_took() -> (TcpListener, StdStream) {
    let listener = TcpListener::bind(loopback()).await;
    let listener = listener.expect("loopback has free ports");
    let mut accept = listener.accept();
    pends(&mut accept).await;
    laps(1).await;
    let peer = StdStream::connect(listener.local_addr().expect("it is bound"));
    laps(3).await;
    drop(accept);
    (listener, peer.expect("it listens"))
}

/// What a peer has to read, up to so many bytes.
pub fn read_some(peer: &mut impl Read, most: usize) -> Vec<u8> {
    let mut buf = vec![0; most];
    let n = peer.read(&mut buf).expect("it is open");
    buf.truncate(n);
    buf
}

/// All that a peer has to read, to the end.
pub fn read_all(peer: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("it ends well");
    all
}

/// A generator of numbers that are random enough (xorshift64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
