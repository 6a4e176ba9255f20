//! One request and its response: which file, which part of it, under which conditions. What is on the wire is hyper's.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use sakia::fs::{Dir, File, Metadata, OpenOptions};

use crate::body::Body;
use crate::conditional::{Validators, Verdict};
use crate::listing::{self, Line};
use crate::path::{Hostile, Target};
use crate::range::{self, Wanted};
use crate::reply;

/// How long an open may take. A FIFO that nobody writes to is opened by no one, for ever.
const OPEN: Duration = Duration::from_secs(5);

/// The files beneath one directory.
#[derive(Debug)]
pub(crate) struct Files {
    root: Dir,
}

impl Files {
    pub(crate) async fn beneath(root: &Path) -> io::Result<Self> {
        Ok(Self {
            root: Dir::open(root).await?,
        })
    }

    /// Answers a request. It never fails: an error is a response.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let (method, headers) = (request.method(), request.headers());
        if method != Method::GET && method != Method::HEAD {
            return reply::method_not_allowed();
        }
        let mut response = match Target::parse(request.uri().path()) {
            Ok(target) => match self.respond(method, headers, &target).await {
                Ok(response) => response,
                Err(error) => reply::of_error(&error),
            },
            Err(Hostile) => reply::status(StatusCode::BAD_REQUEST),
        };
        let nosniff = HeaderValue::from_static("nosniff");
        response
            .headers_mut()
            .insert(X_CONTENT_TYPE_OPTIONS, nosniff);
        response
    }

    async fn respond(
        &self,
        method: &Method,
        headers: &HeaderMap,
        target: &Target,
    ) -> io::Result<Response<Body>> {
        let path = target.relative();
        match self.find(&path).await? {
            // "/file/" is no name of a file.
            Some(_) if target.slash => Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
            Some((file, about)) => Ok(send(method, headers, &path, file, &about)),
            None if !target.slash => Ok(reply::moved(&target.directory_url())),
            None => {
                let index = path.join("index.html");
                if let Ok(Some((file, about))) = self.find(&index).await {
                    return Ok(send(method, headers, &index, file, &about));
                }
                self.list(&path, target).await
            }
        }
    }

    /// Opens the file that a path leads to; `None` is a directory. Nothing else is served: a device or a FIFO has no length.
    async fn find(&self, path: &Path) -> io::Result<Option<(File, Metadata)>> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOCTTY);
        let open = self.root.open_file(path, &options);
        let opened = sakia::time::Timeout::new(OPEN, open).await;
        let file = opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let about = file.metadata().await?;
        if about.is_dir() {
            Ok(None)
        } else if about.is_file() {
            Ok(Some((file, about)))
        } else {
            Err(io::Error::from_raw_os_error(libc::ENXIO))
        }
    }

    async fn list(&self, path: &Path, target: &Target) -> io::Result<Response<Body>> {
        let entries = self.root.open_dir(path).await?.read_dir().await?;
        let lines = entries.map(|entry| Line {
            is_dir: entry.file_type().is_dir(),
            name: entry.file_name(),
        });
        let page = listing::page(&target.display(), target.is_root(), lines.collect());
        Ok(reply::page(page))
    }
}

/// The response for a file that is open.
fn send(
    method: &Method,
    headers: &HeaderMap,
    path: &Path,
    file: File,
    about: &Metadata,
) -> Response<Body> {
    let len = about.len();
    let validators = Validators::new(about.ino(), len, about.modified().ok(), SystemTime::now());
    let mut response = match validators.weigh(headers) {
        Verdict::Go => whole_or_part(method, headers, &validators, file, len),
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
    file: File,
    len: u64,
) -> Response<Body> {
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
    if method == Method::GET {
        *response.body_mut() = Body::file(file, offset, size);
    }
    response
}

fn bare(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
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
