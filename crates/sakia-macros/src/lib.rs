//! The attributes of sakia: `#[sakia::main]` and `#[sakia::test]`.
//!
//! This crate turns an `async fn` into a plain one that calls `sakia::__macro`; the runtime itself, and all that can go
//! wrong with it, lives in the facade. Here: the two entry points and their docs. Reading the function is `item`, reading
//! the options `options`, writing the result `expand`.
//!
//! Use them through the facade, as `sakia::main` and `sakia::test`: what they write names `::sakia`.
#![forbid(unsafe_code)]

mod duration;
mod expand;
mod foreign;
mod item;
mod options;

#[cfg(test)]
mod tests;

use expand::Kind;
use proc_macro::TokenStream;

/// Runs an `async fn main` on a sakia runtime.
///
/// The function takes no arguments and may return any [`Termination`](std::process::Termination), such as `()`,
/// `Result<(), E>` or `ExitCode`. If the runtime cannot be built (no memory for a ring, for instance), the cause and its
/// cure go to stderr, and the process ends with code 1. When the function returns, the runtime shuts down within its
/// deadline, and every descriptor it owned is closed.
///
/// What the parent of the process sees:
///
/// - The exit code is that of the returned value; of an `Err` it is 1, and stderr gets `Error: ` and its `Debug`, as without the attribute.
/// - A panic is 101, after the runtime has ended. A panic of a task ends that task alone.
/// - An end that is not clean is a line on stderr; with `report`, see there.
/// - `std::process::exit` exits at once: no task is dropped, nothing is reported.
///
/// # Options
///
/// - `entries = 256`: the size of the submission queue, from 1 to 32768.
/// - `shutdown = "5s"`: the deadline of the shutdown: a whole number and `us`, `ms`, `s` or `m`, at most a day.
/// - `report = "stderr"`: print the report of the shutdown at the end, after a panic too; an end that is not clean turns success into failure (code 1).
/// - `start_paused`: the clock stands still until it is advanced (feature `test-util` of the facade).
/// - `crate = "path"`: where to find the facade, if it is not `::sakia`.
///
/// # Examples
///
/// ```
/// # extern crate self as sakia;
/// # pub use sakia_macros::main;
/// # #[path = "../tests/stand_in/mod.rs"]
/// # pub mod __macro;
/// #[sakia::main(entries = 64, shutdown = "250ms", report = "stderr")]
/// async fn main() -> Result<(), std::num::ParseIntError> {
///     let answer: u32 = "42".parse()?;
///     assert_eq!(answer, 42);
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// It does not compile on a function that is not async, is not called `main`, or has arguments or generics; nor with an
/// option that is unknown, malformed or out of range. For the options of tokio and monoio the error names ours.
#[proc_macro_attribute]
pub fn main(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::expand(Kind::Main, options.into(), function.into()).into()
}

/// Runs an `async fn` as a test on a sakia runtime of its own.
///
/// The test fails, as any test, when the function panics or returns an error; and also when the shutdown of the runtime
/// is not clean, that is, when a descriptor or an operation was left behind. Other attributes stay where they are:
/// `#[should_panic]`, `#[ignore = "why"]`, `#[cfg(…)]`.
///
/// The options are those of [`main`](macro@main).
///
/// # Examples
///
/// ```
/// # extern crate self as sakia;
/// # pub use sakia_macros::test;
/// # #[path = "../tests/stand_in/mod.rs"]
/// # pub mod __macro;
/// #[sakia::test(shutdown = "1s")]
/// async fn numbers_are_read() -> Result<(), std::num::ParseIntError> {
///     let answer: u32 = "42".parse()?;
///     assert_eq!(answer, 42);
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// # Errors
///
/// It does not compile on a function that is not async, has arguments or generics, or carries a second test attribute;
/// nor with an option that is unknown, malformed or out of range.
///
/// # Panics
///
/// The generated test panics if the runtime cannot be built or if its shutdown is not clean.
#[proc_macro_attribute]
pub fn test(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::expand(Kind::Test, options.into(), function.into()).into()
}
