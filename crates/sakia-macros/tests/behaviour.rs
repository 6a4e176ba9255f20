//! What the attributes do at run time: each test here is itself expanded by `#[sakia::test]`, or calls a `main` that was
//! expanded by `#[sakia::main]`. Against the stand-in; the real runtime is tested in the `tests` package.
#![forbid(unsafe_code)]

extern crate self as sakia;

#[path = "stand_in/mod.rs"]
pub mod __macro;

use std::time::Duration;

use __macro::{Config, running};

fn asked() -> Config {
    running().expect("a runtime polls us")
}

#[sakia_macros::test]
async fn a_test_without_options_asks_for_nothing() {
    assert_eq!(asked(), Config::new());
}

#[sakia_macros::test(entries = 64, shutdown = "250ms", report = "stderr", start_paused)]
async fn every_option_arrives() {
    let config = asked();
    assert_eq!(config.entries, Some(64));
    assert_eq!(config.shutdown, Some(Duration::from_millis(250)));
    assert!(config.report);
    assert!(config.start_paused);
}

#[sakia_macros::test(entries = 32_768u32, start_paused = false)]
async fn suffixes_underscores_and_a_last_comma_are_fine() {
    assert_eq!(asked().entries, Some(32_768));
    assert!(!asked().start_paused);
}

#[sakia_macros::test]
async fn a_test_may_return_a_result() -> Result<(), std::num::ParseIntError> {
    let number: u8 = "7".parse()?;
    if number == 7 {
        return Ok(());
    }
    unreachable!("{number}");
}

#[sakia_macros::test]
async fn a_test_may_return_an_opaque_type() -> impl std::process::Termination {
    std::process::ExitCode::SUCCESS
}

#[sakia_macros::test]
#[should_panic(expected = "seven")]
async fn other_attributes_stay() {
    panic!("seven");
}

/// The path is the user's, and so is every name around.
mod elsewhere {
    pub mod facade {
        pub use crate::__macro;
    }

    #[sakia_macros::test(crate = "crate::elsewhere::facade")]
    async fn the_facade_is_found_where_the_option_says() {
        assert!(super::running().is_some());
    }
}

/// Names that an expansion with relative paths would trip over.
mod hostile {
    #![allow(dead_code, non_camel_case_types, non_upper_case_globals)]

    mod std {}
    mod core {}
    mod sakia {}
    struct Option;
    struct Some;
    struct Duration;
    struct ExitCode;
    struct Config;
    struct run_test;
    const config: u8 = 1;

    #[sakia_macros::test(entries = 8, shutdown = "1s", report = "stderr", start_paused)]
    async fn no_name_around_it_matters() {
        assert_eq!(config, 1);
        assert_eq!(super::asked().entries, ::core::option::Option::Some(8));
    }
}

/// A test written by a macro, with an option that arrives as a fragment.
macro_rules! test_with {
    ($name:ident, $entries:expr) => {
        #[sakia_macros::test(entries = $entries)]
        async fn $name() {
            assert_eq!(asked().entries, Some($entries));
        }
    };
}

test_with!(an_option_may_come_through_a_macro, 16);

mod mains {
    use std::process::ExitCode;

    pub mod unit {
        /// The docs and the visibility stay.
        #[sakia_macros::main(entries = 8)]
        pub async fn main() {
            assert_eq!(crate::asked().entries, Some(8));
        }
    }

    pub mod fails {
        #[sakia_macros::main]
        pub async fn main() -> Result<(), std::num::ParseIntError> {
            let _: u8 = "x".parse()?;
            Ok(())
        }
    }

    pub mod code {
        #[sakia_macros::main]
        pub async fn main() -> super::ExitCode {
            super::ExitCode::from(7)
        }
    }

    pub mod never {
        #[sakia_macros::main]
        pub async fn main() -> ! {
            panic!("never")
        }
    }
}

#[test]
fn the_value_of_main_becomes_the_exit_code() {
    use std::process::ExitCode;

    assert_eq!(mains::unit::main(), ExitCode::SUCCESS);
    assert_eq!(mains::fails::main(), ExitCode::FAILURE);
    assert_eq!(mains::code::main(), ExitCode::from(7));
    assert!(running().is_none());
}

#[test]
#[should_panic(expected = "never")]
fn a_main_may_return_never() {
    mains::never::main();
}
