//! Responses that need no file: refusals, redirects, pages. Their wording and their headers.

use std::io;

use hyper::header::{
    ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use crate::plan::Content;

/// A response of a status, with the status as its text.
pub fn status(code: StatusCode) -> Response<Content> {
    with_text(code, "text/plain; charset=utf-8", format!("{code}\n"))
}

/// A page of HTML.
pub fn page(html: String) -> Response<Content> {
    with_text(StatusCode::OK, "text/html; charset=utf-8", html)
}

/// 405: only what reads is served.
pub fn method_not_allowed() -> Response<Content> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// 301: a directory's links need the slash at its end.
pub fn moved(url: &str) -> Response<Content> {
    let mut response = status(StatusCode::MOVED_PERMANENTLY);
    set(&mut response, LOCATION, url);
    response
}

/// What an error of the file system is to a client. Whether there is something that it may not have is none of its business.
pub fn of_error(error: &io::Error) -> Response<Content> {
    let code = match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::PermissionDenied, _) => StatusCode::FORBIDDEN,
        (_, Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => StatusCode::SERVICE_UNAVAILABLE,
        (io::ErrorKind::TimedOut, _) => StatusCode::SERVICE_UNAVAILABLE,
        (_, Some(libc::EIO)) => StatusCode::INTERNAL_SERVER_ERROR,
        // Not there; too long a name; a way out of the root; a device without a driver.
        (_, Some(_)) => StatusCode::NOT_FOUND,
        (_, None) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = status(code);
    if code == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Nobody is to guess what a file is.
pub fn nosniff<B>(mut response: Response<B>) -> Response<B> {
    let nosniff = HeaderValue::from_static("nosniff");
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Sets a header whose value is visible ASCII by the way it was made.
pub(crate) fn set(response: &mut Response<Content>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn with_text(code: StatusCode, kind: &'static str, text: String) -> Response<Content> {
    let mut response = Response::new(Content::Text(text.into()));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
