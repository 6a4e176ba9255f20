//! Lists of buffers, without the bytes that were moved already.

/// What is left to read into or to write from.
#[derive(Debug)]
pub(super) struct Rest {
    list: Vec<libc::iovec>,
}

impl Rest {
    /// Of one buffer.
    pub(super) fn of_one(addr: u64, len: u32, moved: u32) -> Self {
        Self {
            list: vec![libc::iovec {
                iov_base: (addr + u64::from(moved)) as *mut libc::c_void,
                iov_len: (len - moved.min(len)) as usize,
            }],
        }
    }

    /// Of a list of `count` entries at `addr`, which an op lends.
    pub(super) fn of_list(addr: u64, count: usize, moved: u32) -> Self {
        let (mut list, mut skip) = (Vec::new(), moved as usize);
        for at in 0..count {
            // SAFETY: the op lends `count` entries at `addr` until its final completion, and nobody writes them meanwhile.
            let mut entry = unsafe { (addr as *const libc::iovec).add(at).read() };
            let skipped = skip.min(entry.iov_len);
            skip -= skipped;
            entry.iov_base = entry.iov_base.cast::<u8>().wrapping_add(skipped).cast();
            entry.iov_len -= skipped;
            if entry.iov_len > 0 {
                list.push(entry);
            }
        }
        Self { list }
    }

    /// How many bytes that is.
    pub(super) fn len(&self) -> usize {
        self.list.iter().map(|entry| entry.iov_len).sum()
    }

    /// Cuts it to this many bytes of its first buffer.
    pub(super) fn cut(&mut self, most: usize) {
        self.list.truncate(1);
        if let Some(first) = self.list.first_mut() {
            first.iov_len = first.iov_len.min(most);
        }
    }

    pub(super) fn as_list(&self) -> (*const libc::iovec, i32) {
        (self.list.as_ptr(), self.list.len() as i32)
    }

    /// A message header with nothing but the list.
    pub(super) fn header(&self) -> libc::msghdr {
        // SAFETY: msghdr is made of pointers and integers, for which all zeroes is a value (null, 0).
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = self.list.as_ptr().cast_mut();
        header.msg_iovlen = self.list.len() as _;
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_moved_is_left_out_across_the_buffers() {
        let (a, b, c) = ([0u8; 4], [0u8; 0], [0u8; 6]);
        let list = [&a[..], &b[..], &c[..]].map(|buf| libc::iovec {
            iov_base: buf.as_ptr().cast_mut().cast(),
            iov_len: buf.len(),
        });
        for (moved, left, first) in [
            (0, 10, a.as_ptr()),
            (3, 7, &raw const a[3]),
            (4, 6, c.as_ptr()),
            (9, 1, &raw const c[5]),
        ] {
            let rest = Rest::of_list(list.as_ptr() as u64, 3, moved);
            assert_eq!(rest.len(), left);
            assert_eq!(rest.list[0].iov_base.cast_const().cast(), first);
        }
        assert_eq!(Rest::of_list(list.as_ptr() as u64, 3, 10).len(), 0);
        assert_eq!(Rest::of_one(a.as_ptr() as u64, 4, 1).len(), 3);
    }
}
