//! There is nothing to run in a struct.

#[sakia::main]
struct Program;

fn main() {
    let _ = Program;
}
