//! What the kernel may hold: owned buffers for completion-based I/O.
