//! The attributes of sakia: #[sakia::main] and #[sakia::test].
