//! One runtime is enough.

#[sakia::main]
#[sakia::main(entries = 64)]
async fn main() {}
