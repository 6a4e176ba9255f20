//! Each wrong duration is told what is wrong with it.

#[sakia::test(shutdown = 5)]
async fn no_quotes() {}

#[sakia::test(shutdown = "5")]
async fn no_unit() {}

#[sakia::test(shutdown = "1.5s")]
async fn a_fraction() {}

#[sakia::test(shutdown = "5h")]
async fn an_unknown_unit() {}

#[sakia::test(shutdown = "1441m")]
async fn more_than_a_day() {}

fn main() {}
