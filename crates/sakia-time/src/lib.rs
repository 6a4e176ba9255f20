//! Clock, timer wheel, sleep, timeout and interval for a single thread.
