//! What may cross threads and what may not, what is lazy and needs no pin: the whole public API, pinned at compile time.

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;

use sakia::{buf, fs, net, op, signal, time};

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
    std::task::Waker: true true;
    signal::Signal: false false;
}

// Time.
pin_down! {
    time::Sleep: true true;
    time::Elapsed: true true;
    time::Timeout<time::Sleep>: true true;
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
    fs::Metadata: true true;
    fs::FileType: true true;
    fs::Permissions: true true;
    fs::OpenOptions: true true;
    fs::DirEntry: true true;
    op::Receipt<usize, Buf>: true true;
    op::Sqe: true true;
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
