//! What may cross threads and what may not, what is lazy and needs no pin: the whole public API, pinned at compile time.

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;

use sakia::{buf, fs, io as sakia_io, net, op, signal, sim, time};

/// Has constants that are true for types with the trait, found before those of `Otherwise`.
struct Ask<T>(PhantomData<T>);

trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
}

impl<T> Otherwise for Ask<T> {}

mod send {
    impl<T: Send> super::Ask<T> {
        pub const SEND: bool = true;
    }
}

mod sync {
    impl<T: Sync> super::Ask<T> {
        pub const SYNC: bool = true;
    }
}

const fn is_unpin<T: Unpin>() {}

/// `Send` and `Sync` of each type; all are `Unpin`.
macro_rules! pin_down {
    ($($type:ty: $send:literal $sync:literal;)*) => {$(
        const _: () = {
            is_unpin::<$type>();
            let as_said = Ask::<$type>::SEND == $send && Ask::<$type>::SYNC == $sync;
            assert!(as_said, stringify!($type));
        };
    )*};
}

/// Handles and what is awaited of them: of one thread, and `Unpin`.
macro_rules! at_home {
    ($($type:ty,)*) => { pin_down! { $($type: false false;)* } };
}

type Buf = Vec<u8>;
type Bufs = [Vec<u8>; 2];

// The runtime, and tasks.
pin_down! {
    sakia::Runtime: false false;
    sakia::ShutdownReport: true true;
    sakia::SetupError: true true;
    sakia::FdInfo: true true;
    sakia::FdState: true true;
    sakia::Kind: true true;
    sakia::JoinHandle<i32>: true true;
    sakia::JoinHandle<Cell<i32>>: true true;
    sakia::JoinHandle<Rc<i32>>: false false;
    sakia::JoinSet<i32>: true true;
    sakia::JoinSet<Rc<i32>>: false false;
    sakia::AbortHandle: true true;
    sakia::JoinError: true true;
    sakia::TaskPanic<'static>: false false;
    sakia::TaskId: true true;
    sakia::Bound<Rc<i32>>: true true;
    sakia::Bound<net::TcpStream>: true true;
    sakia::BoundRef<'static, i32>: false false;
    sakia::Handle: true true;
    sakia::ShutdownRequested: true true;
    sakia::YieldNow: true true;
    sakia::Blocking<i32>: true true;
    sakia::BlockingError: true true;
    sakia::Builder: false false;
    sakia::Event<'static>: true true;
    sakia::KernelChoice: true true;
    std::task::Waker: true true;
    signal::Signal: false false;
}

// Time.
pin_down! {
    time::Sleep: true true;
    time::Elapsed: true true;
    time::Timeout<time::Sleep>: true true;
    time::Timeout<Rc<i32>>: false false;
    time::Interval: true true;
    time::MissedTickBehavior: true true;
    time::SystemClock: true true;
    time::Timers: false false;
    time::Entered: false false;
}

// The simulated kernel.
pin_down! {
    sim::SimConfig: true true;
    sim::Simulation: false false;
    sim::Run<i32>: false false;
}

// Buffers and results that leave the runtime.
pin_down! {
    buf::Slice<Buf>: true true;
    buf::BufError<Buf>: true true;
    net::SockAddr: true true;
    net::UnixAddr: true true;
    net::Addrs: true true;
    net::TcpKeepalive: true true;
    net::Leftovers: true true;
    net::PooledBuf: true true;
    sakia::PoolConfig: true true;
    net::Credentials: true true;
    net::Ancillary: true true;
    net::Received: true true;
    net::Received<net::UnixAddr>: true true;
    net::ReuniteError<net::TcpStream>: false false;
    net::LookupHost: true true;
    fs::Metadata: true true;
    fs::FileType: true true;
    fs::Permissions: true true;
    fs::OpenOptions: true true;
    fs::DirEntry: true true;
    fs::ReadDir: true true;
    fs::Advice: true true;
    fs::OnPool<i32>: true false;
    fs::RegisteredBufs: false false;
    fs::RegisteredBuf: false false;
    fs::Taking: false false;
    op::Receipt<usize, Buf>: true true;
    op::Sqe: true true;
    op::Cancel: true true;
    op::Yields: true true;
    op::Completion: true true;
    op::Holds: false false;
}

// Handles.
at_home! {
    fs::File,
    fs::Dir,
    net::TcpListener,
    net::TcpSocket,
    net::TcpStream,
    net::UdpSocket,
    net::UnixDatagram,
    net::UnixListener,
    net::UnixSeqpacket,
    net::UnixSeqpacketListener,
    net::UnixStream,
    net::OwnedReadHalf,
    net::OwnedWriteHalf,
    net::pipe::Receiver,
    net::pipe::Sender,
    net::Incoming<'static>,
    op::InDoubt,
}

// What is awaited of sockets.
at_home! {
    net::ReadPooled<'static>,
    net::RecvPooled<'static>,
    net::RecvFromPooled<'static>,
    net::RecvRecordPooled<'static>,
    net::Accept<'static>,
    net::Accept<'static, net::UnixStream>,
    net::Connect,
    net::Connecting,
    net::UdpConnect<'static>,
    net::UnixConnect,
    net::UnixDatagramConnect<'static>,
    net::Close,
    net::IntoStd<std::net::TcpStream>,
    net::Read<'static, Buf>,
    net::ReadExact<'static, Buf>,
    net::ReadToEnd<'static>,
    net::Readv<'static, Bufs>,
    net::Peek<'static, Buf>,
    net::Readable<'static>,
    net::Write<'static, Buf>,
    net::WriteAll<'static, Buf>,
    net::Writev<'static, Bufs>,
    net::Writable<'static>,
    net::Recv<'static, Buf>,
    net::RecvFrom<'static, Buf>,
    net::RecvMsg<'static, Bufs>,
    net::Send<'static, Buf>,
    net::SendTo<'static, Buf>,
    net::SendWithFds<'static, Bufs>,
    net::Bind<net::TcpListener>,
    net::Bind<net::UdpSocket>,
    net::UnixBind,
}

// What is awaited of files.
at_home! {
    fs::Open,
    fs::OpenDir,
    fs::Read<'static, Buf>,
    fs::ReadAt<'static, Buf>,
    fs::ReadExact<'static, Buf>,
    fs::ReadExactAt<'static, Buf>,
    fs::ReadToEnd<'static>,
    fs::ReadToEndAt<'static>,
    fs::Readv<'static, Bufs>,
    fs::ReadvAt<'static, Bufs>,
    fs::Write<'static, Buf>,
    fs::WriteAll<'static, Buf>,
    fs::WriteAllAt<'static, Buf>,
    fs::WriteAt<'static, Buf>,
    fs::Writev<'static, Bufs>,
    fs::WritevAt<'static, Bufs>,
    fs::FileOp<'static>,
    fs::Seek<'static>,
    fs::SetLen<'static>,
    fs::SetPermissions<'static>,
    fs::IntoStd,
    fs::IntoParts,
    fs::PathChange,
    fs::TryExists,
    fs::Request<'static, fs::Stat>,
    fs::Steps<io::Result<Buf>>,
    fs::Close,
}

// What is made of them.
at_home! {
    op::Cancelling<net::Read<'static, Buf>>,
    op::OpTimeout<net::Read<'static, Buf>>,
    op::OpTimeout<fs::WriteAllAt<'static, Buf>>,
}

/// Every operation with an effect can be cancelled and bounded by time.
#[test]
fn what_reaches_the_kernel_can_be_cancelled() {
    fn can<F: op::Cancellable>() {}
    can::<net::Accept<'static>>();
    can::<net::Accept<'static, net::UnixSeqpacket>>();
    can::<net::Connect>();
    can::<net::UdpConnect<'static>>();
    can::<net::UnixConnect>();
    can::<net::UnixConnect<net::UnixSeqpacket>>();
    can::<net::UnixDatagramConnect<'static>>();
    can::<net::Read<'static, Buf>>();
    can::<net::ReadExact<'static, Buf>>();
    can::<net::ReadToEnd<'static>>();
    can::<net::Readv<'static, Bufs>>();
    can::<net::Readable<'static>>();
    can::<net::Write<'static, Buf>>();
    can::<net::WriteAll<'static, Buf>>();
    can::<net::Writev<'static, Bufs>>();
    can::<net::Writable<'static>>();
    can::<net::Recv<'static, Buf>>();
    can::<net::RecvFrom<'static, Buf>>();
    can::<net::RecvFrom<'static, Buf, net::UnixAddr>>();
    can::<net::RecvMsg<'static, Bufs>>();
    can::<net::SendTo<'static, Buf>>();
    can::<net::SendWithFds<'static, Bufs>>();
    can::<fs::Open>();
    can::<fs::OpenDir>();
    can::<fs::Read<'static, Buf>>();
    can::<fs::Readv<'static, Bufs>>();
    can::<fs::ReadAt<'static, Buf>>();
    can::<fs::ReadExact<'static, Buf>>();
    can::<fs::ReadExactAt<'static, Buf>>();
    can::<fs::ReadToEnd<'static>>();
    can::<fs::ReadToEndAt<'static>>();
    can::<fs::Write<'static, Buf>>();
    can::<fs::WriteAll<'static, Buf>>();
    can::<fs::WriteAt<'static, Buf>>();
    can::<fs::WriteAllAt<'static, Buf>>();
    can::<fs::Writev<'static, Bufs>>();
    can::<fs::FileOp<'static>>();
    can::<fs::Request<'static, fs::Stat>>();
}

/// A stream, a half and a file are what generic code takes, by value and by reference.
#[test]
fn what_reads_and_writes_has_the_traits_itself_and_by_reference() {
    fn reads<T: sakia_io::AsyncRead>() {}
    fn writes<T: sakia_io::AsyncWrite>() {}
    fn at<T: sakia_io::AsyncReadAt + sakia_io::AsyncWriteAt>() {}
    macro_rules! both {
        ($can:ident: $($type:ty),*) => { $($can::<$type>(); $can::<&$type>();)* };
    }
    both!(reads: net::TcpStream, net::UnixStream, net::OwnedReadHalf, net::pipe::Receiver, fs::File);
    both!(writes: net::TcpStream, net::UnixStream, net::OwnedWriteHalf, net::pipe::Sender, fs::File);
    both!(at: fs::File);
}

/// Types of the facade that are nothing but an inner part of an alias above, or a trait.
const NOT_HERE: &[&str] = &[
    // The parts of `Borrowed`, of which the aliases are pinned down.
    "Accepting",
    "Borrowed",
    "Connected",
    "Datagram",
    "Message",
    "PooledDatagram",
    "PooledPayload",
    "PooledRecord",
    "Payload",
    "UnixConnected",
    // Named here as aliases of theirs: `fs::Read`, `fs::Write` and so on.
    "Reading",
    "Writing",
    // Traits, and what they lend.
    "AsyncRead",
    "AsyncReadAt",
    "AsyncReadAtExt",
    "AsyncReadExt",
    "AsyncWrite",
    "AsyncWriteAt",
    "AsyncWriteAtExt",
    "AsyncWriteExt",
    "BufResultExt",
    "Cancellable",
    "Clock",
    "IoBuf",
    "IoBufMut",
    "IoVecBuf",
    "IoVecBufMut",
    "OpExt",
    "Outcome",
    "StreamSocket",
    "ToSocketAddrs",
    // A pair.
    "BufResult",
    // What buffers tell drivers; not named by the facade.
    "Registration",
];

/// What the crates show, as it was when this was built: a test that is run later is held against what it was built with.
const SOURCES: [(&str, &str); 6] = [
    ("sakia", include_str!("../../crates/sakia/src/lib.rs")),
    (
        "sakia-buf",
        include_str!("../../crates/sakia-buf/src/lib.rs"),
    ),
    ("sakia-fs", include_str!("../../crates/sakia-fs/src/lib.rs")),
    ("sakia-io", include_str!("../../crates/sakia-io/src/lib.rs")),
    (
        "sakia-net",
        include_str!("../../crates/sakia-net/src/lib.rs"),
    ),
    (
        "sakia-time",
        include_str!("../../crates/sakia-time/src/lib.rs"),
    ),
];

/// The names of types in the `pub use` lines of a source.
fn exported(source: &str) -> Vec<&str> {
    let uses = source.split("pub use ").skip(1);
    let lists = uses.filter_map(|rest| rest.split(';').next());
    let names = lists.flat_map(|list| list.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let is_type =
        |name: &&str| name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase);
    names.filter(is_type).collect()
}

/// A new public type must be put into the tables above.
#[test]
fn every_type_that_the_facade_shows_is_pinned_down() {
    let here = include_str!("sendness.rs");
    let (tables, _) = here.split_once("const NOT_HERE").expect("it is above");
    let words: Vec<&str> = tables
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect();
    let mut seen = 0;
    for (name, source) in SOURCES {
        for exported in exported(source) {
            seen += 1;
            assert!(
                words.contains(&exported) || NOT_HERE.contains(&exported),
                "{name} shows {exported}: is it Send, is it Sync? Say so in a table"
            );
        }
    }
    assert!(
        seen > 150,
        "{seen} names: the sources are written otherwise"
    );
}
