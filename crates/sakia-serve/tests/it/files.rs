//! Files and directories, as honest clients ask for them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::help::*;

#[test]
fn a_file_is_served_with_its_length_and_type() {
    let dir = tree(&[
        ("page.html", b"<p>text</p>" as &[u8]),
        ("data.bin", b"\0\x01"),
        ("empty", b""),
    ]);
    let server = Server::start(dir.path(), &[]);
    let page = server.get("/page.html");
    assert_eq!((page.status, page.text()), (200, "<p>text</p>"));
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("accept-ranges"), Some("bytes"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(page.header("date").is_some());
    assert_eq!(
        server.get("/data.bin").header("content-type"),
        Some("application/octet-stream")
    );
    let empty = server.get("/empty?query=is&ignored");
    assert_eq!((empty.status, empty.length()), (200, Some(0)));
    server.stop();
}

#[test]
fn a_head_tells_what_a_get_would_and_sends_no_body() {
    let dir = tree(&[("a.txt", b"0123456789")]);
    let server = Server::start(dir.path(), &[]);
    let mut stream = server.dial();
    for path in ["/a.txt", "/", "/missing"] {
        send(
            &mut stream,
            &format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n"),
        );
        let head = Response::read(&mut stream, true);
        send_get(&mut stream, path);
        let get = Response::read(&mut stream, false);
        assert_eq!(head.status, get.status, "{path}: a HEAD has no ranges");
        for name in ["content-length", "content-type", "etag", "last-modified"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
    server.stop();
}

#[test]
fn other_methods_are_refused_and_told_which_are_not() {
    let dir = tree(&[("a", b"x")]);
    let server = Server::start(dir.path(), &[]);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let refused = server.ask(&format!("{method} /a"), &[]);
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, Some("GET, HEAD")),
            "{method}"
        );
    }
    let with_body = server.ask("POST /a", &["Content-Length: 0"]);
    assert_eq!(with_body.status, 405);
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"x");
    server.stop();
}

#[test]
fn a_directory_is_listed_and_its_links_work() {
    let names: [&[u8]; 6] = [
        b"plain",
        b"with space",
        b"<b>&\"'",
        b"\xc3\xa4",
        b"\xff\xfe",
        b"per%20cent",
    ];
    let dir = tree(&names.map(|name| (OsStr::from_bytes(name), name)));
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let server = Server::start(dir.path(), &[]);
    let listing = server.get("/");
    assert_eq!(
        listing.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let links = listing.text().split("href=\"").skip(1);
    let links: Vec<_> = links.map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links.len(), 7, "{}", listing.text());
    let mut bodies = Vec::new();
    for link in &links {
        let got = server.get(&format!("/{link}"));
        assert_eq!(got.status, 200, "{link}");
        if *link != "sub/" {
            bodies.push(got.body);
        }
    }
    let mut names = names.map(<[u8]>::to_vec);
    names.sort();
    assert_eq!(
        bodies, names,
        "each link leads to its file, in the order of the names"
    );
    server.stop();
}

#[test]
fn a_directory_without_its_slash_is_redirected_within_this_host() {
    let dir = tree(&[("a b/c", b"x")]);
    let server = Server::start(dir.path(), &[]);
    let moved = server.get("/a%20b");
    assert_eq!(
        (moved.status, moved.header("location")),
        (301, Some("/a%20b/"))
    );
    let moved = server.get("//a%20b");
    assert_eq!(
        (moved.status, moved.header("location")),
        (301, Some("/a%20b/"))
    );
    assert_eq!(server.get("/a%20b/").status, 200);
    assert!(server.get("/a%20b/").text().contains("href=\"../\""));
    server.stop();
}

#[test]
fn an_index_stands_for_its_directory() {
    let dir = tree(&[
        ("sub/index.html", b"index" as &[u8]),
        ("odd/x", b""),
        ("odd/index.html/x", b""),
    ]);
    let server = Server::start(dir.path(), &[]);
    let index = server.get("/sub/");
    assert_eq!((index.status, index.text()), (200, "index"));
    assert!(index.header("etag").is_some());
    assert!(
        server.get("/odd/").text().contains("index.html/"),
        "a directory is no index"
    );
    server.stop();
}

#[test]
fn what_is_not_there_and_what_is_no_file_is_not_found() {
    let dir = tree(&[("file", b"x")]);
    let fifo = dir.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let long = format!("/{}", "n".repeat(300));
    let server = Server::start(dir.path(), &[]);
    for path in ["/missing", "/file/", "/file/more", "/fifo", &long] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    server.stop();
}

#[test]
fn a_connection_is_kept_for_the_next_request_and_answers_pipelines_in_order() {
    let dir = tree(&[("a", b"first"), ("b", b"other")]);
    let server = Server::start(dir.path(), &[]);
    let mut stream = server.dial();
    let open = server.get("/a").status;
    assert_eq!(open, 200);
    for _ in 0..20 {
        send_get(&mut stream, "/a");
        assert_eq!(Response::read(&mut stream, false).text(), "first");
        send_get(&mut stream, "/missing");
        assert_eq!(Response::read(&mut stream, false).status, 404);
    }
    let both = "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
    send(&mut stream, &both.repeat(10));
    for _ in 0..10 {
        assert_eq!(Response::read(&mut stream, false).text(), "first");
        assert_eq!(Response::read(&mut stream, false).text(), "other");
    }
    send(&mut stream, "GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(Response::read(&mut stream, false).text(), "first");
    assert!(
        is_closed(&mut stream),
        "HTTP/1.0 keeps nothing that it does not ask for"
    );
    let said = server.stop().out;
    assert!(
        said.contains("Served 62 requests on 2 connections"),
        "{said}"
    );
}
