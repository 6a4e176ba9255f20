//! Bridges from sakia to the ecosystem: hyper.
