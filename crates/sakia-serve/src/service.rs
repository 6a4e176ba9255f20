//! One request and its response: which file, which part of it, under which conditions. What is on the wire is hyper's.

use std::io;
use std::path::Path;
use std::time::Duration;

use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, StatusCode};
use sakia::fs::{Dir, File, Metadata, OpenOptions};

use crate::body::Body;
use crate::listing::{self, Line};
use crate::path::{Hostile, Target};
use crate::plan::{About, Content, plan};
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
            return with_no_file(reply::method_not_allowed());
        }
        let response = match Target::parse(request.uri().path()) {
            Ok(target) => match self.respond(method, headers, &target).await {
                Ok(response) => response,
                Err(error) => with_no_file(reply::of_error(&error)),
            },
            Err(Hostile) => with_no_file(reply::status(StatusCode::BAD_REQUEST)),
        };
        reply::nosniff(response)
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
            Some(found) => Ok(send(method, headers, &path, found)),
            None if !target.slash => Ok(with_no_file(reply::moved(&target.directory_url()))),
            None => {
                let index = path.join("index.html");
                if let Ok(Some(found)) = self.find(&index).await {
                    return Ok(send(method, headers, &index, found));
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
        Ok(with_no_file(reply::page(page)))
    }
}

/// The response for a file that is open.
fn send(
    method: &Method,
    headers: &HeaderMap,
    path: &Path,
    (file, about): (File, Metadata),
) -> Response<Body> {
    let about = About {
        ino: about.ino(),
        len: about.len(),
        modified: about.modified().ok(),
    };
    plan(method, headers, path, &about).map(|content| match content {
        Content::Piece { offset, len } => Body::file(file, offset, len),
        Content::Text(text) => Body::Text(text),
        Content::Empty => Body::Empty,
    })
}

/// A response that needs no file.
fn with_no_file(response: Response<Content>) -> Response<Body> {
    response.map(|content| match content {
        Content::Text(text) => Body::Text(text),
        Content::Empty | Content::Piece { .. } => Body::Empty,
    })
}
