//! Each unknown or doubled option is shown at its name.

#[sakia::main(entry = 64, pool(4), entries = 64, entries = 128)]
async fn main() {}
