//! The systems: which program each is, and what it counts as.

/// A program, or a variant of one.
#[derive(Debug, PartialEq)]
pub struct System {
    pub name: &'static str,
    pub program: &'static str,
    /// What `BENCH_VARIANT` says.
    pub variant: &'static str,
    pub role: Role,
}

/// What a system counts as in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What is measured, and once more in the same rounds: what two runs of one thing differ by, any two may.
    Sakia,
    /// As little as the ring allows.
    Floor,
    /// Beside the floor: another kernel interface, or a stricter executor.
    Reference,
    Peer,
}

pub const SAKIA: &str = "sakia";
/// With the best that its builder offers for the mode; `verdict.rs` says where it counts.
pub const SAKIA_TUNED: &str = "sakia tuned";
pub const SAKIA_AGAIN: &str = "sakia again";

const fn system(
    name: &'static str,
    program: &'static str,
    variant: &'static str,
    role: Role,
) -> System {
    System {
        name,
        program,
        variant,
        role,
    }
}

pub const SYSTEMS: &[System] = &[
    system(SAKIA, "sakia", "", Role::Sakia),
    system(SAKIA_AGAIN, "sakia", "", Role::Sakia),
    system("floor", "floor", "", Role::Floor),
    system("sakia pooled", "sakia", "pooled", Role::Sakia),
    system("sakia pooled again", "sakia", "pooled", Role::Sakia),
    system("sakia registered", "sakia", "registered", Role::Sakia),
    system("sakia registered again", "sakia", "registered", Role::Sakia),
    system(SAKIA_TUNED, "sakia", "tuned", Role::Reference),
    system("sakia without a limit", "sakia", "bare", Role::Reference),
    system("sakia among few", "sakia", "few", Role::Reference),
    system("floor single-shot", "floor", "single-shot", Role::Floor),
    system(
        "floor single-shot direct",
        "floor",
        "single-shot-direct",
        Role::Floor,
    ),
    system("floor multishot", "floor", "multishot", Role::Floor),
    system(
        "floor multishot direct",
        "floor",
        "multishot-direct",
        Role::Floor,
    ),
    system("floor multishot 64", "floor", "multishot-64", Role::Floor),
    system("floor registered", "floor", "registered", Role::Floor),
    system("floor eventfd", "floor", "eventfd", Role::Floor),
    system("floor msg-ring", "floor", "msg-ring", Role::Floor),
    system("epoll", "floor", "epoll", Role::Reference),
    system("plain calls", "floor", "plain", Role::Reference),
    system("futex", "floor", "futex", Role::Reference),
    system("mini", "mini", "", Role::Floor),
    system("mini sound", "mini", "sound", Role::Reference),
    system("sakia-serve", "sakia-serve", "", Role::Sakia),
    system("sakia-serve again", "sakia-serve", "", Role::Sakia),
    system("tokio's twin", "serve_tokio", "", Role::Reference),
    system("a10", "a10", "", Role::Peer),
    system("a10 tuned", "a10", "tuned", Role::Peer),
    system("compio", "compio", "", Role::Peer),
    system("compio tuned", "compio", "tuned", Role::Peer),
    system("compio managed", "compio", "managed", Role::Peer),
    system("glommio", "glommio", "", Role::Peer),
    system("kimojio", "kimojio", "", Role::Peer),
    system("monoio", "monoio", "", Role::Peer),
    system("monoio tuned", "monoio", "tuned", Role::Peer),
    system("tokio-uring", "tokio_uring", "", Role::Peer),
    system("tokio-uring tuned", "tokio_uring", "tuned", Role::Peer),
    system("tokio current_thread", "tokio_ct", "", Role::Peer),
    system("tokio one worker", "tokio_mt", "", Role::Peer),
    system("smol", "smol", "", Role::Peer),
];

/// The system of this name.
pub fn find(name: &str) -> &'static System {
    match SYSTEMS.iter().find(|system| system.name == name) {
        Some(system) => system,
        None => panic!("the table of modes names {name:?}, which is no system"),
    }
}
