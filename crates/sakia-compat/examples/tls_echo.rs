//! TLS over sakia: tokio-rustls speaks over the bridge, and the bridge back makes it a stream with owned buffers like any other.
//!
//! ```text
//! cargo run -p sakia-compat --example tls_echo -- 127.0.0.1:8443
//! openssl s_client -connect 127.0.0.1:8443 -quiet
//! ```

use std::io;
use std::sync::Arc;

use sakia::JoinSet;
use sakia::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use sakia::net::{TcpListener, TcpStream};
use sakia_compat::{FromTokio, PollIo};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[sakia::main(report = "stderr")]
async fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1);
    let listener = TcpListener::bind(addr.as_deref().unwrap_or("127.0.0.1:8443")).await?;
    println!("{}", listener.local_addr()?);
    let (acceptor, _) = identity()?;
    run(listener, acceptor).await
}

/// Makes a key and a certificate for localhost, signed by itself: for tests and for trying things out.
pub fn identity() -> io::Result<(TlsAcceptor, CertificateDer<'static>)> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.map_err(io::Error::other)?;
    let cert = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.clone()], key)
        .map_err(io::Error::other)?;
    Ok((TlsAcceptor::from(Arc::new(config)), cert))
}

/// Serves for ever, a task a connection.
pub async fn run(listener: TcpListener, acceptor: TlsAcceptor) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(echo(stream, acceptor.clone()));
        // Those that have ended, well or not.
        while connections.try_join_next().is_some() {}
    }
}

/// Says everything back until the peer has said its last, and takes leave as TLS asks.
pub async fn echo(stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<u64> {
    let mut stream = FromTokio::new(acceptor.accept(PollIo::new(stream)).await?);
    let mut total = 0;
    let mut buf = Vec::with_capacity(16 * 1024);
    loop {
        buf.clear();
        let (result, filled) = stream.read(buf).await;
        let n = result?;
        if n == 0 {
            stream.shutdown().await?;
            return Ok(total);
        }
        let (result, written) = stream.write_all(filled).await;
        result?;
        stream.flush().await?;
        total += n as u64;
        buf = written;
    }
}
