//! From the path of a request to a path beneath the root: percent-decoding, and everything refused that could lead elsewhere.
//! It is the first of two locks; the second is the kernel's, at the open (`sakia::fs::Dir`), and holds for symbolic links, too.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What a name in a URL must not have bare; everything but the unreserved characters of RFC 3986.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What a request asks for, beneath the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    names: Vec<OsString>,
    /// Whether it ends in a slash, as the path of a directory does.
    pub slash: bool,
}

/// A path that no honest client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hostile;

impl Target {
    /// Reads the path of a request. It is split before it is decoded: an encoded slash separates nothing.
    pub fn parse(path: &str) -> Result<Self, Hostile> {
        let path = path.strip_prefix('/').ok_or(Hostile)?;
        let mut names = Vec::new();
        for encoded in path.split('/').filter(|name| !name.is_empty()) {
            names.push(name(decode(encoded)?)?);
        }
        Ok(Self {
            names,
            slash: path.is_empty() || path.ends_with('/'),
        })
    }

    /// The path relative to the root.
    pub fn relative(&self) -> PathBuf {
        if self.names.is_empty() {
            return PathBuf::from(".");
        }
        self.names.iter().collect()
    }

    /// Whether it is the root itself.
    pub fn is_root(&self) -> bool {
        self.names.is_empty()
    }

    /// The URL of the target as a directory, from the root: never one of another host, whatever was asked for.
    pub fn directory_url(&self) -> String {
        self.names
            .iter()
            .fold(String::from("/"), |url, name| url + &encode(name) + "/")
    }

    /// The path for a human to read.
    pub fn display(&self) -> String {
        let names = self.names.iter();
        names.fold(String::from("/"), |path, name| {
            path + &name.to_string_lossy() + "/"
        })
    }
}

/// A name as a piece of a URL.
pub(crate) fn encode(name: &OsStr) -> String {
    percent_encode(name.as_bytes(), &RESERVED).to_string()
}

/// Decodes once, and strictly: `%` is followed by two hexadecimal digits.
fn decode(encoded: &str) -> Result<Vec<u8>, Hostile> {
    let mut bytes = encoded.bytes();
    let mut decoded = Vec::with_capacity(encoded.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next())? << 4 | hex(bytes.next())?,
            byte => byte,
        });
    }
    Ok(decoded)
}

fn hex(digit: Option<u8>) -> Result<u8, Hostile> {
    let digit = char::from(digit.ok_or(Hostile)?);
    digit.to_digit(16).map(|value| value as u8).ok_or(Hostile)
}

/// A name of exactly one thing in its directory. A backslash is a separator elsewhere, and nobody's name here.
fn name(bytes: Vec<u8>) -> Result<OsString, Hostile> {
    let hostile = matches!(bytes[..], [] | [b'.'] | [b'.', b'.']);
    if hostile || bytes.iter().any(|byte| matches!(byte, 0 | b'/' | b'\\')) {
        return Err(Hostile);
    }
    Ok(OsStr::from_bytes(&bytes).to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use super::*;

    fn relative(path: &str) -> Option<PathBuf> {
        Target::parse(path).ok().map(|target| target.relative())
    }

    #[test]
    fn honest_paths_lead_to_their_files() {
        for (path, file) in [
            ("/", "."),
            ("/a", "a"),
            ("/a/b.txt", "a/b.txt"),
            ("/a/b/", "a/b"),
            ("//a///b", "a/b"),
            ("/a%20b", "a b"),
            ("/%C3%A4", "ä"),
            ("/...", "..."),
            ("/..a", "..a"),
            ("/.hidden", ".hidden"),
            ("/a+b", "a+b"),
            ("/%252e%252e", "%2e%2e"),
            ("/%2541", "%41"),
        ] {
            assert_eq!(relative(path).as_deref(), Some(Path::new(file)), "{path}");
        }
        let bytes = Target::parse("/%ff").unwrap().relative();
        assert_eq!(
            bytes.as_os_str().as_bytes(),
            b"\xff",
            "a name need not be UTF-8"
        );
    }

    #[test]
    fn hostile_paths_are_refused() {
        for path in [
            "",
            "*",
            "a",
            "etc/passwd",
            "/..",
            "/../",
            "/../etc/passwd",
            "/a/..",
            "/a/../../b",
            "/.",
            "/a/./b",
            "/%2e",
            "/%2e%2e",
            "/%2E%2e/etc/passwd",
            "/.%2e/etc/passwd",
            "/%2e./etc/passwd",
            "/a%2fb",
            "/%2fetc%2fpasswd",
            "/%2F",
            "/..%2f..%2fetc/passwd",
            "/%00",
            "/a%00.txt",
            "/a\\b",
            "/..\\..\\windows",
            "/%5c",
            "/..%5cetc",
            "/%",
            "/%2",
            "/%zz",
            "/%2g",
            "/%+1",
            "/a%",
        ] {
            assert_eq!(relative(path), None, "{path}");
        }
    }

    #[test]
    fn whatever_is_let_through_stays_beneath_the_root() {
        // Every path of up to four pieces from a set that has all that is dangerous.
        let pieces = [
            "/", ".", "..", "%2e", "%2f", "%5c", "%00", "a", "%252e", "%25", "\\", "~",
        ];
        let mut paths = vec![String::from("/")];
        for _ in 0..4 {
            let longer = paths
                .iter()
                .flat_map(|path| pieces.map(|piece| format!("{path}{piece}")));
            paths = longer.collect();
            for path in &paths {
                let Some(relative) = relative(path) else {
                    continue;
                };
                let root = relative == Path::new(".");
                let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
                assert!(
                    root || relative.components().all(plain),
                    "{path} led to {relative:?}"
                );
            }
        }
    }

    #[test]
    fn a_directory_never_has_the_url_of_another_host() {
        let url = |path: &str| Target::parse(path).unwrap().directory_url();
        assert_eq!(url("/"), "/");
        assert_eq!(url("/a%20b/c"), "/a%20b/c/");
        assert_eq!(url("//evil.example/x"), "/evil.example/x/");
        assert_eq!(url("///evil.example"), "/evil.example/");
        assert_eq!(url("/a%0d%0aSet-Cookie:x"), "/a%0D%0ASet-Cookie%3Ax/");
    }

    #[test]
    fn a_trailing_slash_is_noticed() {
        assert!(Target::parse("/").unwrap().slash);
        assert!(Target::parse("/a/").unwrap().slash);
        assert!(!Target::parse("/a").unwrap().slash);
    }
}
