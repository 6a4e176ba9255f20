//! `copy`: from a reader to a writer, through one buffer.
//! What the kernel can move without a buffer (splice, sendfile) belongs to the nouns that have descriptors.

use std::io;

use sakia_buf::{IoBuf, Slice};

use crate::progress::checked;
use crate::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// What is read at once. The buffer is used again for every lap.
const LAP: usize = 64 * 1024;

/// Copies all bytes from `reader` to `writer`, flushes the writer, and returns how many they were.
///
/// ```
/// # use futures_util::FutureExt;
/// # async {
/// let mut reader: &[u8] = b"a water wheel";
/// let mut writer = Vec::new();
/// assert_eq!(sakia_io::copy(&mut reader, &mut writer).await?, 13);
/// assert_eq!(writer, b"a water wheel");
/// # std::io::Result::Ok(())
/// # }.now_or_never().unwrap().unwrap();
/// ```
///
/// # Cancellation
///
/// Dropped while it reads, it loses no more than the reader does. Dropped while it writes, it has up to 64 KiB from
/// the reader of which the writer got some; they cannot go back.
///
/// # Errors
///
/// The first error of the reader (but for `Interrupted`) or the writer, and `WriteZero` if the writer takes no more. What was copied
/// before has been written.
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncRead + ?Sized,
    W: AsyncWrite + ?Sized,
{
    let mut buf = Vec::with_capacity(LAP);
    let mut copied = 0;
    loop {
        let (result, filled) = reader.read(buf).await;
        buf = filled;
        match result.and_then(|n| checked(n, buf.len())) {
            Ok(0) => break,
            Ok(n) => {
                let (result, sent) = writer.write_all(buf.slice(..n)).await;
                buf = Slice::into_inner(sent);
                result?;
                copied += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    writer.flush().await?;
    Ok(copied)
}
