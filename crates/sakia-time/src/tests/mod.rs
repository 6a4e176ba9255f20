//! Tests without a ring and without a runtime: a clock that is turned by hand, and a loop of twenty lines.
mod elsewhere;
mod firing;
mod interval;
mod paused;
mod scale;
mod sleep;
mod support;
mod timeout;
mod wheel;
