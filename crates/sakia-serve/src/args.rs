//! What the server can be told on its command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Serves the files of a directory over HTTP/1.1. Stop it with Ctrl-C.
///
/// Requests under way may finish then; the report of the runtime's end is printed, and the exit code is 0 only if it is clean.
#[derive(Clone, Debug, Parser)]
#[command(name = "sakia-serve", version)]
pub struct Args {
    /// The directory to serve
    #[arg(default_value = ".")]
    pub dir: PathBuf,

    /// The address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub addr: SocketAddr,

    /// How many connections are served at a time; more of them wait
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = connections)]
    pub max_connections: usize,

    /// How long the head of a request may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub header_timeout: Duration,

    /// How long a connection is kept between requests
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub idle_timeout: Duration,

    /// How long a client may take no byte of its response
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub write_timeout: Duration,

    /// How long requests under way may take after the stop
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub shutdown_timeout: Duration,

    /// Append a line for each request to this file, in the Common Log Format
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// Tell on stderr why a connection failed
    #[arg(long, short)]
    pub verbose: bool,
}

fn connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("a server of no connection would serve nobody".into()),
        Ok(n) => Ok(n),
        Err(error) => Err(format!("{error}")),
    }
}

/// "500ms", "30s", "2m"; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u32 = number
        .parse()
        .map_err(|_| "a time is a number with ms, s, m or h: 30s")?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "" | "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err("a time is a number with ms, s, m or h: 30s".into()),
    };
    Ok(unit * number)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_needs_no_argument() {
        Args::command().debug_assert();
        let args = Args::try_parse_from(["sakia-serve"]).unwrap();
        assert_eq!(args.dir, PathBuf::from("."));
        assert_eq!(args.addr.to_string(), "127.0.0.1:8080");
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert_eq!(duration("7s"), Ok(Duration::from_secs(7)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(
            duration("4294967295h"),
            Ok(Duration::from_secs(3600) * u32::MAX)
        );
        for wrong in ["", "s", "-1s", "1.5s", "1d", "4294967296", "1 s", "٣s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_connection_at_all_is_refused() {
        assert!(Args::try_parse_from(["sakia-serve", "--max-connections", "0"]).is_err());
    }
}
