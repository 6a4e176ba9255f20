//! The server as its users meet it: the program itself, started on a free port, asked over plain sockets, stopped by signals.

mod conditions;
mod days;
mod end;
mod files;
mod help;
mod hostile;
mod large;
mod limits;
mod ranges;
