//! What the attributes expand to calls of. Not part of the public contract.

use std::future::Future;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use crate::{Builder, Runtime};

/// The options of an attribute.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Entries of the ring.
    pub entries: Option<u32>,
    /// The deadline of the end.
    pub shutdown: Option<Duration>,
    /// Whether the report is printed, and decides over the exit code.
    pub report: bool,
    /// Whether the clock starts paused.
    pub start_paused: bool,
}

impl Config {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            entries: None,
            shutdown: None,
            report: false,
            start_paused: false,
        }
    }

    fn builder(&self) -> Builder {
        let mut builder = Runtime::builder().shutdown_timeout(self.deadline());
        if let Some(entries) = self.entries {
            builder = builder.entries(entries);
        }
        #[cfg(feature = "test-util")]
        {
            builder = builder.start_paused(self.start_paused);
        }
        #[cfg(not(feature = "test-util"))]
        assert!(
            !self.start_paused,
            "start_paused needs the feature `test-util` of sakia"
        );
        builder
    }

    fn deadline(&self) -> Duration {
        self.shutdown.unwrap_or(Duration::from_secs(5))
    }
}

/// Runs a `main`.
pub fn run_main<F>(config: Config, future: F) -> ExitCode
where
    F: Future,
    F::Output: Termination,
{
    let mut builder = config.builder();
    if config.report {
        // Told by the runtime's end, so that it is told of a panic's end, too.
        builder = builder.on_shutdown(|report| eprintln!("{report}"));
    }
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(future).report();
    if !config.report {
        // Its drop has a line for an end that is not clean.
        drop(runtime);
        return code;
    }
    let report = runtime.shutdown(config.deadline());
    if report.is_clean() || code != ExitCode::SUCCESS {
        code
    } else {
        ExitCode::FAILURE
    }
}

/// Runs a test; its end must be clean.
pub fn run_test<F: Future>(config: Config, future: F) -> F::Output {
    let built = config.builder().build();
    let runtime = built
        .unwrap_or_else(|error| panic!("the runtime of this test could not be built: {error}"));
    let output = runtime.block_on(future);
    let report = runtime.shutdown(config.deadline());
    assert!(
        report.is_clean(),
        "the runtime of this test did not end clean: {report}"
    );
    output
}
