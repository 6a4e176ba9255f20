//! `#[sakia::test]` is a test attribute already.

#[sakia::test]
#[test]
async fn it_works() {}

#[sakia::test]
#[should_panic]
#[core::prelude::v1::test]
async fn it_fails() {}

fn main() {}
