//! What a runtime must be able to do to be measured.

use std::future::Future;
use std::time::Duration;

/// A runtime. Each method is the shortest way its documentation shows; what fails ends the program.
pub trait Rt: 'static {
    /// An open file.
    type File: 'static;

    /// Has it a public no-op that goes through the ring?
    const NOP: bool = false;
    /// May its tasks be woken from other threads?
    const OTHER_THREADS: bool = true;
    /// Has it timers?
    const TIMERS: bool = true;

    /// Starts the runtime, runs the future, ends the runtime.
    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static;

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static;

    fn detach<F: Future<Output = ()> + 'static>(future: F);

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static;

    /// The future's output if it is ready in time: what the system has for it as it comes, for each function around it moves the future once more.
    fn timeout<F: Future>(
        time: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, impl Sized>>;

    /// Echoes on every connection to this port, with a buffer of so many bytes each.
    fn serve(port: u16, buf: usize) -> impl Future<Output = ()> + 'static;

    fn open(path: String, write: bool) -> impl Future<Output = Self::File> + 'static;

    fn read_at(
        file: &Self::File,
        buf: Vec<u8>,
        offset: u64,
    ) -> impl Future<Output = (usize, Vec<u8>)>;

    fn write_at(
        file: &Self::File,
        buf: Vec<u8>,
        offset: u64,
    ) -> impl Future<Output = (usize, Vec<u8>)>;

    fn close(file: Self::File) -> impl Future<Output = ()>;

    /// Once through the ring and back. Called only if [`NOP`](Self::NOP).
    fn nop() -> impl Future<Output = ()> {
        async {}
    }
}
