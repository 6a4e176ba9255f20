//! Conditional requests: what a cache asks.

use std::time::{Duration, SystemTime};

use crate::help::*;

#[test]
fn who_has_the_file_already_is_not_sent_it_again() {
    let dir = tree(&[("f.txt", b"content")]);
    let server = Server::start(dir.path(), &[]);
    let first = server.get("/f.txt");
    let etag = first.header("etag").unwrap();
    let modified = first.header("last-modified").unwrap();
    for condition in [
        format!("If-None-Match: {etag}"),
        format!("If-None-Match: \"x\", W/{etag}"),
        "If-None-Match: *".into(),
        format!("If-Modified-Since: {modified}"),
    ] {
        for method in ["GET", "HEAD"] {
            let got = server.ask(&format!("{method} /f.txt"), &[&condition]);
            assert_eq!(got.status, 304, "{condition}");
            assert_eq!(got.header("etag"), Some(etag));
            assert!(got.body.is_empty());
        }
    }
    for condition in [
        "If-None-Match: \"x\"",
        "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT",
    ] {
        let got = server.ask("GET /f.txt", &[condition]);
        assert_eq!((got.status, got.text()), (200, "content"), "{condition}");
    }
    std::fs::write(dir.path().join("f.txt"), "changed").unwrap();
    let got = server.ask("GET /f.txt", &[&format!("If-None-Match: {etag}")]);
    assert_eq!((got.status, got.text()), (200, "changed"));
    server.stop();
}

#[test]
fn who_means_another_state_is_told_so() {
    let dir = tree(&[("f", b"content")]);
    let server = Server::start(dir.path(), &[]);
    let etag = server.get("/f").header("etag").unwrap().to_owned();
    for (condition, status) in [
        (format!("If-Match: {etag}"), 200),
        ("If-Match: *".into(), 200),
        ("If-Match: \"x\"".into(), 412),
        (format!("If-Match: W/{etag}"), 412),
        (
            "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT".into(),
            412,
        ),
        ("If-Unmodified-Since: nonsense".into(), 200),
    ] {
        assert_eq!(
            server.ask("GET /f", &[&condition]).status,
            status,
            "{condition}"
        );
    }
    let ranged = server.ask("GET /f", &["If-Match: \"x\"", "Range: bytes=0-0"]);
    assert_eq!(ranged.status, 412, "conditions come before ranges");
    server.stop();
}

#[test]
fn odd_dates_of_files_do_no_harm() {
    let dir = tree(&[("old", b"x"), ("future", b"x")]);
    let touch = |name: &str, time| {
        let file = std::fs::File::options()
            .write(true)
            .open(dir.path().join(name))
            .unwrap();
        file.set_modified(time).unwrap();
    };
    touch("old", SystemTime::UNIX_EPOCH - Duration::from_secs(1000));
    touch("future", SystemTime::now() + Duration::from_secs(1 << 30));
    let server = Server::start(dir.path(), &[]);
    for path in ["/old", "/future"] {
        let got = server.ask(
            &format!("GET {path}"),
            &["If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT"],
        );
        assert_eq!(
            (got.status, got.header("last-modified")),
            (200, None),
            "{path}"
        );
        assert!(got.header("etag").is_some());
    }
    server.stop();
}
