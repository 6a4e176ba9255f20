//! The import table of `docs/ARCHITECTURE.md`, as data: one room a crate.
//!
//! To let a crate import something new, change the table here and say why on that page. No logic but the look-up.

/// What one crate may import.
pub struct Room {
    pub name: &'static str,
    /// Crates of the house.
    pub house: &'static [&'static str],
    pub externals: Externals,
    /// Is it packaged for the registry?
    pub published: bool,
}

/// Which crates from outside a room may import.
pub enum Externals {
    /// Tools and programs: whatever they need.
    Free,
    Listed {
        always: &'static [&'static str],
        /// Only as an optional dependency, behind a feature that is off by default.
        optional: &'static [&'static str],
    },
}

impl Room {
    /// May this room import `dep`, which is a crate of the house or not, optionally or not?
    pub fn allows(&self, dep: &str, ours: bool, as_optional: bool) -> bool {
        if ours {
            return self.house.contains(&dep);
        }
        match self.externals {
            Externals::Free => true,
            Externals::Listed { always, optional } => {
                always.contains(&dep) || (as_optional && optional.contains(&dep))
            }
        }
    }
}

/// A crate of the core: it may import what is listed, and bytes or tracing behind a feature.
const fn core(
    name: &'static str,
    house: &'static [&'static str],
    always: &'static [&'static str],
) -> Room {
    Room {
        name,
        house,
        externals: Externals::Listed {
            always,
            optional: &["bytes", "tracing"],
        },
        published: true,
    }
}

/// A package that is never published.
const fn tool(name: &'static str, house: &'static [&'static str]) -> Room {
    Room {
        name,
        house,
        externals: Externals::Free,
        published: false,
    }
}

pub const ROOMS: &[Room] = &[
    core("sakia-buf", &[], &[]),
    core(
        "sakia-driver",
        &["sakia-buf"],
        &["libc", "io-uring", "slab"],
    ),
    core("sakia-executor", &[], &["futures-core"]),
    core("sakia-time", &[], &["futures-core"]),
    core("sakia-io", &["sakia-buf"], &["futures-core"]),
    core("sakia-fs", &["sakia-buf", "sakia-io", "sakia-driver"], &[]),
    // libc for the names of socket options, without a line of unsafe.
    core(
        "sakia-net",
        &["sakia-buf", "sakia-io", "sakia-driver"],
        &["libc"],
    ),
    core("sakia-macros", &[], &["syn", "quote", "proc-macro2"]),
    core(
        "sakia",
        &[
            "sakia-buf",
            "sakia-driver",
            "sakia-executor",
            "sakia-time",
            "sakia-io",
            "sakia-fs",
            "sakia-net",
            "sakia-macros",
        ],
        &["futures-core"],
    ),
    Room {
        name: "sakia-compat",
        house: &["sakia"],
        externals: Externals::Listed {
            always: &["hyper"],
            optional: &["futures-io", "hyper-util", "tokio", "tower-service"],
        },
        published: true,
    },
    tool("sakia-serve", &["sakia", "sakia-compat"]),
    tool(
        "sakia-tests",
        &[
            "sakia",
            "sakia-buf",
            "sakia-driver",
            "sakia-executor",
            "sakia-time",
            "sakia-io",
            "sakia-fs",
            "sakia-net",
            "sakia-compat",
            "sakia-serve",
        ],
    ),
    tool("counting", &[]),
    tool("xtask", &[]),
];
