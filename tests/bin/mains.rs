//! Programs under `#[sakia::main]`, one a way in which a program ends: the first argument says which. `it/mains.rs` runs them and looks at what their
//! parents see, the exit code and stderr.

use std::process::ExitCode;

/// A destructor that panics.
struct Throws;

impl Drop for Throws {
    fn drop(&mut self) {
        panic!("a destructor panics, as it should");
    }
}

/// Leaves a task behind whose end is not clean.
fn leave_a_mess() {
    let throws = Throws;
    sakia::spawn(async move {
        let _throws = throws;
        std::future::pending::<()>().await;
    });
}

/// Leaves a task behind that holds a file.
async fn leave_a_file() {
    let file = sakia::fs::File::open("/dev/null")
        .await
        .expect("it is there");
    sakia::spawn(async move {
        let _file = file;
        std::future::pending::<()>().await;
    });
}

mod clean {
    #[sakia::main(entries = 64, report = "stderr")]
    pub async fn main() {
        super::leave_a_file().await;
    }
}

mod silent {
    #[sakia::main(entries = 64)]
    pub async fn main() {
        super::leave_a_file().await;
    }
}

mod error {
    #[sakia::main(entries = 64, report = "stderr")]
    pub async fn main() -> std::io::Result<()> {
        sakia::fs::File::open("/no/such/file").await.map(drop)
    }
}

mod code {
    #[sakia::main(entries = 64, report = "stderr")]
    pub async fn main() -> std::process::ExitCode {
        std::process::ExitCode::from(7)
    }
}

mod own_termination {
    pub struct Verdict(u8);

    impl std::process::Termination for Verdict {
        fn report(self) -> std::process::ExitCode {
            eprintln!("the verdict is {}", self.0);
            self.0.into()
        }
    }

    #[sakia::main(entries = 64)]
    pub async fn main() -> Verdict {
        Verdict(9)
    }
}

mod panic {
    #[sakia::main(entries = 64, report = "stderr")]
    pub async fn main() {
        super::leave_a_file().await;
        panic!("main panics, as it should");
    }
}

mod panic_in_a_task {
    #[sakia::main(entries = 64, report = "stderr")]
    pub async fn main() {
        let task = sakia::spawn(async { panic!("a task panics, as it should") });
        while !task.is_finished() {
            sakia::yield_now().await;
        }
    }
}

mod mess {
    #[sakia::main(entries = 64, report = "stderr")]
    pub async fn main() {
        super::leave_a_mess();
    }
}

mod mess_without_report {
    #[sakia::main(entries = 64)]
    pub async fn main() {
        super::leave_a_mess();
    }
}

mod mess_with_code {
    #[sakia::main(entries = 64, report = "stderr")]
    pub async fn main() -> std::process::ExitCode {
        super::leave_a_mess();
        std::process::ExitCode::from(7)
    }
}

mod late {
    use std::sync::mpsc;
    use std::time::Duration;

    #[sakia::main(entries = 64, report = "stderr", shutdown = "100ms")]
    pub async fn main() {
        let (began, begun) = mpsc::channel();
        sakia::spawn(sakia::spawn_blocking(move || {
            began.send(()).expect("main waits for it");
            std::thread::sleep(Duration::from_secs(600));
        }));
        while begun.try_recv().is_err() {
            sakia::yield_now().await;
        }
    }
}

mod quarantined {
    use std::time::Duration;

    /// Reads from a file whose server does not answer.
    #[sakia::main(entries = 64, report = "stderr", shutdown = "100ms")]
    pub async fn main() {
        let path = std::env::args_os().nth(2).expect("the path of a file");
        let file = sakia::fs::File::open(path).await.expect("it is there");
        let read = file.read_at(Vec::with_capacity(8), 0);
        let read = sakia::time::timeout(Duration::from_millis(200), read).await;
        read.expect_err("the server does not answer");
    }
}

mod exit {
    #[sakia::main(entries = 64, report = "stderr")]
    pub async fn main() {
        super::leave_a_file().await;
        std::process::exit(3);
    }
}

mod exit_in_a_task {
    #[sakia::main(entries = 64, report = "stderr")]
    pub async fn main() {
        super::leave_a_mess();
        sakia::spawn(async { std::process::exit(3) });
        std::future::pending().await
    }
}

mod arguments {
    #[sakia::main(entries = 64)]
    pub async fn main() {
        println!("{:?}", std::env::args().skip(2).collect::<Vec<_>>());
    }
}

mod never {
    #[sakia::main(entries = 64)]
    pub async fn main() -> ! {
        sakia::yield_now().await;
        std::process::exit(4)
    }
}

/// Names that the expansion must not trip over.
mod hostile {
    #![allow(dead_code, non_camel_case_types, non_upper_case_globals, unused_macros)]

    mod std {}
    mod core {}
    mod sakia {}
    struct Option;
    struct Some;
    struct Result;
    struct Config;
    struct Duration;
    struct ExitCode;
    struct run_main;
    const future: u8 = 1;
    const config: u8 = 1;
    macro_rules! panic {
        () => {};
    }

    #[::sakia::main(entries = 64, shutdown = "1s", report = "stderr", start_paused)]
    pub async fn main() {
        ::std::assert_eq!(config + future, 2);
    }
}

fn main() -> ExitCode {
    let which = std::env::args().nth(1).unwrap_or_default();
    match which.as_str() {
        "clean" => clean::main(),
        "silent" => silent::main(),
        "error" => error::main(),
        "code" => code::main(),
        "own_termination" => own_termination::main(),
        "panic" => panic::main(),
        "panic_in_a_task" => panic_in_a_task::main(),
        "mess" => mess::main(),
        "mess_without_report" => mess_without_report::main(),
        "mess_with_code" => mess_with_code::main(),
        "late" => late::main(),
        "quarantined" => quarantined::main(),
        "exit" => exit::main(),
        "exit_in_a_task" => exit_in_a_task::main(),
        "arguments" => arguments::main(),
        "never" => never::main(),
        "hostile" => hostile::main(),
        _ => panic!("which program? not {which:?}"),
    }
}
