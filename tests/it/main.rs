//! The integration tests of sakia: one binary, one module a subject. Helpers are in the library of this package.
//!
//! The modules `exits_*` are the rows of the ways out: each test's name is the sentence that must hold.

mod answers;
mod attributes;
mod bounds;
mod builder;
mod embedding;
mod emulated;
mod events;
mod exits_ends;
mod exits_files;
mod exits_limits;
mod exits_loop;
mod exits_nested;
mod exits_processes;
mod exits_sockets;
mod exits_streams;
mod exits_stuck;
mod fuse;
mod mains;
mod origins;
mod own_opcode;
mod passed;
mod pooled;
mod receipts;
mod runtime;
mod sendness;
mod setup_errors;
mod spinning;
mod support;
mod syscalls;
mod timeouts;
#[cfg(feature = "tracing")]
mod tracing;
