//! Pieces of files.

use crate::help::*;

#[test]
fn a_range_is_served_exactly() {
    let content: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
    let dir = tree(&[("f", &content[..])]);
    let server = Server::start(dir.path(), &[]);
    for (range, first, last) in [
        ("0-0", 0, 0),
        ("0-99", 0, 99),
        ("500-70000", 500, 70_000),
        ("65536-", 65_536, 99_999),
        ("99999-", 99_999, 99_999),
        ("-1", 99_999, 99_999),
        ("-70000", 30_000, 99_999),
        ("-1000000", 0, 99_999),
        ("99990-1000000", 99_990, 99_999),
    ] {
        let got = server.ask("GET /f", &[&format!("Range: bytes={range}")]);
        assert_eq!(got.status, 206, "{range}");
        let told = format!("bytes {first}-{last}/100000");
        assert_eq!(got.header("content-range"), Some(&told[..]));
        assert!(got.body == content[first..=last], "{range}");
        assert!(got.header("etag").is_some() && got.header("content-type").is_some());
    }
    server.stop();
}

#[test]
fn a_range_outside_is_told_the_length_and_what_is_no_range_gets_all() {
    let dir = tree(&[("f", b"0123456789" as &[u8]), ("empty", b"")]);
    let server = Server::start(dir.path(), &[]);
    for range in ["10-", "10-20", "-0", "18446744073709551616-"] {
        let got = server.ask("GET /f", &[&format!("Range: bytes={range}")]);
        assert_eq!(
            (got.status, got.header("content-range")),
            (416, Some("bytes */10")),
            "{range}"
        );
    }
    for range in [
        "bytes=",
        "bytes=5-1",
        "items=0-1",
        "bytes=x",
        "bytes=0-1,3-4",
    ] {
        let got = server.ask("GET /f", &[&format!("Range: {range}")]);
        assert_eq!(
            (got.status, got.text(), got.header("content-range")),
            (200, "0123456789", None),
            "{range}"
        );
    }
    assert_eq!(server.ask("GET /empty", &["Range: bytes=0-"]).status, 416);
    assert_eq!(server.ask("GET /empty", &["Range: bytes=-1"]).status, 200);
    server.stop();
}

#[test]
fn a_download_is_resumed_only_of_the_same_file() {
    let dir = tree(&[("f", b"0123456789")]);
    let server = Server::start(dir.path(), &[]);
    let etag = server.get("/f").header("etag").unwrap().to_owned();
    let resume =
        |tag: &str| server.ask("GET /f", &["Range: bytes=5-", &format!("If-Range: {tag}")]);
    assert_eq!((resume(&etag).status, resume(&etag).text()), (206, "56789"));
    assert_eq!(resume("\"other\"").status, 200);
    assert_eq!(resume(&format!("W/{etag}")).status, 200);
    // As long as before, and another file all the same.
    std::fs::write(dir.path().join("new"), "abcdefghij").unwrap();
    std::fs::rename(dir.path().join("new"), dir.path().join("f")).unwrap();
    let got = resume(&etag);
    assert_eq!(
        (got.status, got.text()),
        (200, "abcdefghij"),
        "two halves of two files make no file"
    );
    server.stop();
}
