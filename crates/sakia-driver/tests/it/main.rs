//! What the driver promises, as claims that can fail. One module a subject; helpers stand in `help`.

mod accepts;
mod cancels;
mod clones;
mod closes;
mod drains;
mod ends;
mod forks;
mod help;
mod hot;
mod panics;
mod passed;
mod pooled;
mod pooled_drops;
mod pools;
mod reads;
mod registered;
mod reliefs;
mod rests;
mod signals;
mod splices;
mod spots;
mod stuck;
mod wakers;
mod wakes;
mod writes;
