//! A program is started without arguments; there is one error for each fault, and none of the compiler's own.

#[sakia::main]
async fn main<T: Default>(_first: T, _second: u8) {}
