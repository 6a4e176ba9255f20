//! A pooled buffer as the `bytes` crate's, without a copy.

use bytes::Bytes;

use super::PooledBuf;

impl From<PooledBuf> for Bytes {
    /// The buffer goes back to its pool with the last of the `Bytes`.
    fn from(buf: PooledBuf) -> Self {
        Self::from_owner(buf)
    }
}
