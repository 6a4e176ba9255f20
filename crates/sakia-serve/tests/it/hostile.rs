//! Requests that want out of the root: none gets a byte of what lies there.

use std::os::unix::fs::symlink;

use crate::help::*;

const SECRET: &[u8] = b"the secret beside the root";

/// A root with a secret beside it.
fn rooted() -> (tempfile::TempDir, std::path::PathBuf) {
    let outer = tree(&[
        ("secret", SECRET),
        ("outside/secret", SECRET),
        ("root/file", b"inside" as &[u8]),
        ("root/sub/file", b"inside"),
    ]);
    let root = outer.path().join("root");
    (outer, root)
}

#[test]
fn no_spelling_of_a_path_leads_out() {
    let (outer, root) = rooted();
    let absolute = outer.path().join("secret").to_str().unwrap().to_owned();
    let encoded = absolute.replace('/', "%2f");
    let server = Server::start(&root, &[]);
    let paths = [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/%2E%2E/secret",
        "/.%2e/secret",
        "/%2e./secret",
        "/..%2fsecret",
        "/..%2Fsecret",
        "/%2e%2e%2fsecret",
        "/sub/..%2f..%2fsecret",
        "/..%5csecret",
        "/..\\secret",
        "/%252e%252e/secret",
        "/%252e%252e%252fsecret",
        "/%c0%ae%c0%ae/secret",
        "/%c0%ae%c0%ae%c0%afsecret",
        "/file%00",
        "/file%00.html",
        "/%00",
        "//../secret",
        "/./../secret",
        "/sub/%2e%2e/%2e%2e/secret",
        "/..;/secret",
        "/%uff0e%uff0e/secret",
        "/~root/secret",
        "/%",
        "/%2",
        "*",
        "",
        "secret",
        "../secret",
        "http://x/../secret",
        "http://x/%2e%2e/secret",
        "file:///etc/passwd",
        &absolute,
        &format!("/{absolute}"),
        &format!("/{encoded}"),
        &encoded,
    ];
    for path in paths {
        let got = server.get(path);
        assert!(matches!(got.status, 400 | 404), "{path}: {got:?}");
        assert!(
            !got.body.windows(6).any(|bytes| bytes == b"secret"),
            "{path}: {got:?}"
        );
    }
    for path in [
        b"GET /\xff\xfe" as &[u8],
        b"GET /\xc0\xae\xc0\xae/secret",
        b"GET /a\x01b",
    ] {
        let got = server.ask_bytes(path, &[]);
        assert!(matches!(got.status, 400 | 404), "{path:?}: {got:?}");
    }
    assert_eq!(server.get("/file").text(), "inside", "and it still serves");
    server.stop();
}

#[test]
fn no_symbolic_link_leads_out_and_those_within_work() {
    let (outer, root) = rooted();
    let outside = outer.path().join("outside");
    symlink(outer.path().join("secret"), root.join("absolute")).unwrap();
    symlink("../secret", root.join("relative")).unwrap();
    symlink(&outside, root.join("directory")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("relative", root.join("link-to-link")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
    symlink("../../outside/secret", root.join("sub/deep")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    std::fs::create_dir(root.join("trap")).unwrap();
    symlink("../../secret", root.join("trap/index.html")).unwrap();
    // Out and in again is out.
    symlink("../root/file", root.join("round")).unwrap();
    symlink("sub/file", root.join("within")).unwrap();
    symlink("../file", root.join("sub/sibling")).unwrap();

    let server = Server::start(&root, &[]);
    for path in [
        "/absolute",
        "/relative",
        "/directory",
        "/directory/",
        "/directory/secret",
        "/up",
        "/up/",
        "/up/secret",
        "/up/root/file",
        "/link-to-link",
        "/magic/etc/passwd",
        "/sub/deep",
        "/loop",
        "/round",
    ] {
        let got = server.get(path);
        assert_eq!(got.status, 404, "{path}: {got:?}");
    }
    let trap = server.get("/trap/");
    assert!(
        trap.text().contains("<ul>"),
        "an index that leads out is no index: {trap:?}"
    );
    assert_eq!(server.get("/within").text(), "inside");
    assert_eq!(server.get("/sub/sibling").text(), "inside");
    server.stop();
}

#[test]
fn what_is_no_http_ends_its_connection_and_nothing_else() {
    let (_outer, root) = rooted();
    let server = Server::start(&root, &[]);
    let before = server.descriptors();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        &long,
        &many,
    ] {
        use std::io::{Read, Write};
        let mut stream = server.dial();
        let _ = stream.write_all(garbage.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut got = Vec::new();
        let _ = stream.read_to_end(&mut got);
        assert_eq!(
            server.get("/file").text(),
            "inside",
            "after {:?}",
            &garbage[..20.min(garbage.len())]
        );
    }
    server.wait_for_descriptors(before);
    server.stop();
}
