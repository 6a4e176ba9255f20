//! The expansions and the errors, as tokens: what is written, what is said, and that a wrong attribute leaves code that
//! brings no second error. How the expansions run is tested in `tests/behaviour.rs`, where errors point in `tests/ui`.

use proc_macro2::TokenStream;

use crate::expand::{Kind, expand};

fn tokens(text: &str) -> TokenStream {
    text.parse().expect("tokens")
}

/// The expansion of the attribute with these options on this function.
fn expanded(kind: Kind, options: &str, function: &str) -> TokenStream {
    expand(kind, tokens(options), tokens(function))
}

/// Both sides without their layout.
fn assert_same(got: &TokenStream, want: &str) {
    assert_eq!(got.to_string(), tokens(want).to_string());
}

fn assert_ends_with(got: &TokenStream, want: &str) {
    let (got, want) = (got.to_string(), tokens(want).to_string());
    assert!(got.ends_with(&want), "{got}\ndoes not end with\n{want}");
}

/// The messages of all `compile_error!` in an expansion; it must parse as items.
fn errors(code: TokenStream) -> Vec<String> {
    let file: syn::File = syn::parse2(code).expect("items");
    let messages = file.items.iter().filter_map(|item| match item {
        syn::Item::Macro(item) => item.mac.parse_body::<syn::LitStr>().ok(),
        _ => None,
    });
    messages.map(|text| text.value()).collect()
}

/// The one error about these options; the function must be expanded all the same.
fn option_error(options: &str) -> String {
    let code = expanded(Kind::Main, options, "async fn main() {}");
    assert!(code.to_string().contains("run_main"), "{code}");
    let mut errors = errors(code);
    assert_eq!(errors.len(), 1, "{options}: {errors:?}");
    errors.remove(0)
}

/// The errors about this function; it must not be run.
fn function_errors(kind: Kind, function: &str) -> Vec<String> {
    let code = expanded(kind, "", function);
    assert!(!code.to_string().contains("run_"), "{code}");
    errors(code)
}

#[test]
fn a_bare_main_becomes_a_plain_function_around_the_async_one() {
    let got = expanded(
        Kind::Main,
        "",
        "/// Docs.
        pub async fn main() -> Result<(), Error> { body().await }",
    );
    let want = "/// Docs.
        pub fn main() -> ::std::process::ExitCode {
            async fn main() -> Result<(), Error> { body().await }
            let __sakia_config = ::sakia::__macro::Config::new();
            ::sakia::__macro::run_main(__sakia_config, main())
        }";
    assert_same(&got, want);
}

#[test]
fn a_test_keeps_its_attributes_and_its_type_and_sets_what_was_asked() {
    let got = expanded(
        Kind::Test,
        r#"entries = 64, shutdown = "1500ms", report = "stderr", start_paused, crate = "crate::x""#,
        "#[should_panic] async fn it_works() -> Outcome { go() }",
    );
    let want = "#[::core::prelude::v1::test]
        #[should_panic]
        fn it_works() -> Outcome {
            async fn it_works() -> Outcome { go() }
            let mut __sakia_config = crate::x::__macro::Config::new();
            __sakia_config.entries = ::core::option::Option::Some(64u32);
            __sakia_config.shutdown =
                ::core::option::Option::Some(::core::time::Duration::new(1u64, 500000000u32));
            __sakia_config.report = true;
            __sakia_config.start_paused = true;
            crate::x::__macro::run_test(__sakia_config, it_works())
        }";
    assert_same(&got, want);
}

#[test]
fn an_unknown_option_is_told_the_known_ones() {
    assert_eq!(
        option_error("entry = 8"),
        "unknown option `entry`; there are `entries`, `shutdown`, `report`, `start_paused` and `crate`"
    );
    assert!(option_error("queue(8)").starts_with("unknown option `queue`"));
}

#[test]
fn options_of_tokio_and_monoio_are_told_what_to_do_here() {
    assert_eq!(
        option_error("flavor = \"current_thread\""),
        "`flavor` is tokio's: a sakia runtime is always one thread; remove it"
    );
    for (options, says) in [
        ("worker_threads = 4", "tokio's: a sakia runtime is always"),
        ("unhandled_panic = \"x\"", "`Builder::on_task_panic`"),
        ("threads = 4", "monoio's: a sakia runtime is always"),
        ("driver = \"fusion\"", "`Builder::kernel`"),
        ("timer_enabled = true", "always on"),
        ("enable_timer = true", "always on"),
    ] {
        let error = option_error(options);
        assert!(error.contains(says), "{options}: {error}");
    }
}

#[test]
fn a_value_out_of_its_range_or_of_the_wrong_kind_is_refused() {
    for (options, says) in [
        ("entries = 0", "from 1 to 32768"),
        ("entries = 32769", "from 1 to 32768"),
        ("entries = 99999999999", "from 1 to 32768"),
        ("entries = -1", "from 1 to 32768"),
        ("entries = \"256\"", "from 1 to 32768"),
        ("entries = SIZE", "from 1 to 32768"),
        ("entries", "from 1 to 32768"),
        ("entries(256)", "from 1 to 32768"),
        ("shutdown = \"soon\"", "is no duration"),
        ("shutdown = \"1441m\"", "out of range"),
        ("shutdown = 5", "in quotes"),
        ("shutdown", "in quotes"),
        ("report", "write `report = \"stderr\"`"),
        ("report = \"stdout\"", "write `report = \"stderr\"`"),
        ("start_paused = \"yes\"", "takes no value"),
        ("crate = sakia", "is a path in quotes"),
        ("crate = \"a b\"", "is a path in quotes"),
        ("entries = 8, entries = 8", "`entries` is given twice"),
        ("256", "expected ident"),
        ("entries = 8 report", "expected `,`"),
    ] {
        let error = option_error(options);
        assert!(error.contains(says), "{options}: {error}");
    }
}

#[test]
fn every_wrong_option_gets_its_own_error_and_the_good_ones_count() {
    let options = "entries = 0, start_paused, threads = 2";
    let code = expanded(Kind::Test, options, "async fn f() {}");
    assert!(code.to_string().contains("start_paused = true"), "{code}");
    assert_eq!(errors(code).len(), 2);
}

#[test]
fn a_function_that_cannot_be_run_is_refused() {
    for (function, says) in [
        ("fn main() {}", "needs an `async fn`"),
        ("async fn main(x: u8) {}", "takes no arguments"),
        ("async fn main(&self) {}", "not on a method"),
        ("async fn main<T>() {}", "has no generics"),
        ("async fn main() where u8: Copy {}", "has no where clause"),
        ("async unsafe fn main() {}", "is a safe one"),
        ("async extern \"C\" fn main() {}", "no ABI"),
    ] {
        for kind in [Kind::Main, Kind::Test] {
            let errors = function_errors(kind, function);
            assert_eq!(errors.len(), 1, "{function}");
            assert!(errors[0].contains(says), "{function}: {errors:?}");
            let attribute = format!("`#[sakia::{}]`", kind.name());
            assert!(errors[0].contains(&attribute), "{function}: {errors:?}");
        }
    }
    let errors = function_errors(Kind::Main, "async fn run() {}");
    assert!(errors[0].contains("call `run` from there"), "{errors:?}");
}

#[test]
fn every_fault_of_a_function_is_told_at_once() {
    let errors = function_errors(Kind::Main, "fn run<T>(x: T) {}");
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn what_is_no_function_is_refused_and_stays() {
    let code = expanded(Kind::Test, "", "struct X;");
    assert_ends_with(&code, "struct X;");
    assert_eq!(errors(code), ["`#[sakia::test]` goes on an `async fn`"]);
}

#[test]
fn a_refused_function_stays_and_an_async_main_stays_inside_a_plain_one() {
    let function = "#[cfg(unix)] async fn f(x: u8) { x.await }";
    assert_ends_with(&expanded(Kind::Test, "", function), function);

    let code = expanded(Kind::Main, "", "async fn main(x: u8) { x.await }");
    let want = "fn main() { #[allow(dead_code)] async fn main(x: u8) { x.await } }";
    assert_ends_with(&code, want);
}

#[test]
fn a_second_attribute_of_the_kind_is_refused_and_taken_off() {
    for (kind, twin) in [
        (Kind::Test, "#[test]"),
        (Kind::Test, "#[tokio::test(flavor = \"x\")]"),
        (Kind::Test, "#[::core::prelude::v1::test]"),
        (Kind::Main, "#[sakia::main]"),
        (Kind::Main, "#[tokio::main]"),
    ] {
        let alone = "#[other] async fn main() {}";
        let code = expanded(kind, "", &format!("{twin} {alone}"));
        assert_ends_with(&code, &expanded(kind, "", alone).to_string());
        let errors = errors(code);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].starts_with("a second"), "{errors:?}");
    }
}

#[test]
fn a_body_that_syn_cannot_read_is_passed_on() {
    let code = expanded(
        Kind::Main,
        "",
        "async fn main() { let x = ; future syntax }",
    );
    let code = code.to_string();
    assert!(code.contains("let x = ; future syntax"), "{code}");
    assert!(!code.contains("compile_error"), "{code}");
}
