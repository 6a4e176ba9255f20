//! Only `main` returns an exit code.

#[sakia::main]
async fn run() -> std::io::Result<()> {
    Ok(())
}

fn main() {}
