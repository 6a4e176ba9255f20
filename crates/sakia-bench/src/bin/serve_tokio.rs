//! The twin of sakia-serve on tokio's current_thread runtime: the same requests, the same plans of responses, the same hyper; files by tokio's pool.
//!
//! `serve_tokio DIR ADDR`

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use sakia_serve::http::{self, About, Content, Target};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};

/// As much as the other server reads at a time.
const CHUNK: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(dir), Some(addr)) = (words.next(), words.next()) else {
        return Err(io::Error::other("serve_tokio DIR ADDR"));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, serve(dir.into(), addr))
}

async fn serve(root: PathBuf, addr: String) -> io::Result<()> {
    let root: Rc<Path> = tokio::fs::canonicalize(root).await?.into();
    let listener = tokio::net::TcpListener::bind(addr).await?;
    println!("Serving on http://{}/", listener.local_addr()?);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .max_buf_size(4 * CHUNK);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let root = root.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let root = root.clone();
            async move { Ok::<_, Infallible>(answer(&root, &request).await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
    }
}

async fn answer(root: &Path, request: &Request<Incoming>) -> Response<Answer> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return http::method_not_allowed().map(Answer::without_file);
    }
    let response = match Target::parse(request.uri().path()) {
        Ok(target) => match respond(root, request, &target).await {
            Ok(response) => response,
            Err(error) => http::of_error(&error).map(Answer::without_file),
        },
        Err(_) => http::status(StatusCode::BAD_REQUEST).map(Answer::without_file),
    };
    http::nosniff(response)
}

async fn respond(
    root: &Path,
    request: &Request<Incoming>,
    target: &Target,
) -> io::Result<Response<Answer>> {
    let path = target.relative();
    let mut file = File::open(root.join(&path)).await?;
    let about = file.metadata().await?;
    if !about.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let about = About {
        ino: about.ino(),
        len: about.len(),
        modified: about.modified().ok(),
    };
    let response = http::plan(request.method(), request.headers(), &path, &about);
    if let Content::Piece { offset, .. } = response.body()
        && *offset > 0
    {
        file.seek(io::SeekFrom::Start(*offset)).await?;
    }
    file.set_max_buf_size(CHUNK);
    Ok(response.map(|content| match content {
        Content::Piece { len, .. } => Answer::File { file, left: len },
        other => Answer::without_file(other),
    }))
}

enum Answer {
    Empty,
    Text(Bytes),
    File { file: File, left: u64 },
}

impl Answer {
    fn without_file(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text),
            _ => Self::Empty,
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let chunk = match &mut *self {
            Self::Empty => return Poll::Ready(None),
            Self::Text(text) => {
                let text = std::mem::take(text);
                *self = Self::Empty;
                text
            }
            Self::File { left: 0, .. } => return Poll::Ready(None),
            Self::File { file, left } => {
                let room = CHUNK.min(usize::try_from(*left).unwrap_or(CHUNK));
                let mut chunk = Vec::with_capacity(room);
                let mut buf = ReadBuf::uninit(chunk.spare_capacity_mut());
                ready!(Pin::new(file).poll_read(cx, &mut buf))?;
                let n = buf.filled().len().min(room);
                if n == 0 {
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                // SAFETY: `poll_read` has filled, and so initialised, the first `n` bytes of the vector's room.
                unsafe { chunk.set_len(n) };
                *left -= n as u64;
                chunk.into()
            }
        };
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Text(text) => text.len() as u64,
            Self::File { left, .. } => *left,
        })
    }
}
