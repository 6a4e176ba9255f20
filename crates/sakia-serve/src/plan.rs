//! The plan of a response: what its head says and which part of the file follows it. Pure: no file is read here, and no runtime is known.

use std::path::Path;
use std::time::SystemTime;

use hyper::body::Bytes;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    LAST_MODIFIED, RANGE,
};
use hyper::{Method, Response, StatusCode};

use crate::conditional::{Validators, Verdict};
use crate::range::{self, Wanted};
use crate::reply;

/// What follows the head of a response.
#[derive(Debug)]
pub enum Content {
    /// Nothing.
    Empty,
    /// A text that is in memory.
    Text(Bytes),
    /// A piece of the file.
    Piece {
        /// Where it begins.
        offset: u64,
        /// How long it is; not 0.
        len: u64,
    },
}

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its inode.
    pub ino: u64,
    /// Its length.
    pub len: u64,
    /// When it was last written to.
    pub modified: Option<SystemTime>,
}

/// Plans the response for a file that is open.
pub fn plan(method: &Method, headers: &HeaderMap, path: &Path, about: &About) -> Response<Content> {
    let len = about.len;
    let validators = Validators::new(about.ino, len, about.modified, SystemTime::now());
    let mut response = match validators.weigh(headers) {
        Verdict::Go => whole_or_part(method, headers, &validators, len),
        Verdict::NotModified => bare(StatusCode::NOT_MODIFIED),
        Verdict::Failed => return reply::status(StatusCode::PRECONDITION_FAILED),
    };
    if matches!(
        response.status(),
        StatusCode::OK | StatusCode::PARTIAL_CONTENT
    ) {
        reply::set(&mut response, CONTENT_TYPE, &content_type(path));
    }
    reply::set(&mut response, ETAG, &validators.etag);
    if let Some(modified) = validators.modified {
        reply::set(
            &mut response,
            LAST_MODIFIED,
            &httpdate::fmt_http_date(modified),
        );
    }
    response
        .headers_mut()
        .insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

fn whole_or_part(
    method: &Method,
    headers: &HeaderMap,
    validators: &Validators,
    len: u64,
) -> Response<Content> {
    // Ranges are defined for GET alone.
    let range = headers.get(RANGE).filter(|_| method == Method::GET);
    let range = range.and_then(|range| range.to_str().ok());
    let wanted = match range {
        Some(range) if validators.allow_range(headers) => range::parse(range, len),
        _ => Wanted::Whole,
    };
    let (code, offset, size) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, len),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Nothing => {
            let mut response = reply::status(StatusCode::RANGE_NOT_SATISFIABLE);
            reply::set(&mut response, CONTENT_RANGE, &format!("bytes */{len}"));
            return response;
        }
    };
    let mut response = bare(code);
    if code == StatusCode::PARTIAL_CONTENT {
        let last = offset + size - 1;
        reply::set(
            &mut response,
            CONTENT_RANGE,
            &format!("bytes {offset}-{last}/{len}"),
        );
    }
    response.headers_mut().insert(CONTENT_LENGTH, size.into());
    if method == Method::GET && size > 0 {
        *response.body_mut() = Content::Piece { offset, len: size };
    }
    response
}

fn bare(code: StatusCode) -> Response<Content> {
    let mut response = Response::new(Content::Empty);
    *response.status_mut() = code;
    response
}

/// The type that the name says. Text is taken for UTF-8.
fn content_type(path: &Path) -> String {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let is_text = kind.type_() == "text" || kind.subtype() == "javascript";
    if is_text && kind.get_param("charset").is_none() {
        return format!("{kind}; charset=utf-8");
    }
    kind.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_types_and_text_says_its_charset() {
        for (name, kind) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.TXT", "text/plain; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.png", "image/png"),
            ("a.unheard-of", "application/octet-stream"),
            ("noext", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(name)), kind, "{name}");
        }
    }
}
