//! What is done to files and to their names.

use super::lent;
use super::socket::{Name, PIPE};
use super::tree::{Node, Place, ROOT, Walk};
use super::world::{Thing, World};
use crate::kernel::abi::{Sqe, opcode};

type Errno<T> = Result<T, i32>;

const FOLLOW: Walk = Walk {
    follow: true,
    beneath: false,
    create: false,
};
const LINK: Walk = Walk {
    follow: false,
    beneath: false,
    create: false,
};
/// No file of a simulation is longer: it lies in memory.
const LONGEST: usize = 64 << 20;

impl World {
    /// The directory that a path of an SQE starts from.
    fn base(&mut self, fd: i32) -> Errno<u64> {
        if fd == libc::AT_FDCWD {
            return Ok(ROOT);
        }
        let id = self.lookup(fd)?;
        match self.thing(id) {
            Some(Thing::File { inode, .. }) => Ok(*inode),
            _ => Err(libc::ENOTDIR),
        }
    }

    fn is_directory(&self, inode: u64) -> bool {
        let node = self.tree.get(inode).map(|inode| &inode.node);
        matches!(node, Some(Node::Directory(_)))
    }

    /// openat(2), openat2(2): an open file description that nothing refers to yet.
    pub(super) fn open(&mut self, from: i32, path: &[u8], flags: i32, resolve: u64) -> Errno<u64> {
        if !self.has_room() {
            return Err(libc::EMFILE);
        }
        let from = self.base(from)?;
        let exclusive = flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0;
        let walk = Walk {
            follow: flags & libc::O_NOFOLLOW == 0 && !exclusive,
            beneath: resolve & (libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT) != 0,
            create: flags & libc::O_CREAT != 0,
        };
        let place = self.tree.find(from, path, walk)?;
        let inode = match place.inode {
            Some(_) if exclusive => return Err(libc::EEXIST),
            Some(inode) => inode,
            None if flags & libc::O_CREAT == 0 => return Err(libc::ENOENT),
            None => self.make_at(&place, Node::File(Vec::new()), 0o644),
        };
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
        match self.tree.get_mut(inode).map(|inode| &mut inode.node) {
            Some(Node::Directory(_)) if writes || flags & libc::O_CREAT != 0 => {
                return Err(libc::EISDIR);
            }
            Some(Node::Directory(_)) => {}
            Some(Node::Link(_)) => return Err(libc::ELOOP),
            Some(Node::Socket) => return Err(libc::ENXIO),
            Some(_) if flags & libc::O_DIRECTORY != 0 => return Err(libc::ENOTDIR),
            Some(Node::File(data)) if writes && flags & libc::O_TRUNC != 0 => data.clear(),
            Some(_) => {}
            None => return Err(libc::ENOENT),
        }
        self.tree.opened(inode);
        Ok(self.make(Thing::File {
            inode,
            flags,
            cursor: 0,
        }))
    }

    /// Makes something new under a name that is free.
    fn make_at(&mut self, place: &Place, node: Node, mode: u32) -> u64 {
        let remote = self.tree.get(place.directory).is_some_and(|dir| dir.remote);
        let inode = self.tree.make(node, mode, remote);
        self.tree.enter(place.directory, &place.name, inode);
        inode
    }

    pub(super) fn make_socket_file(&mut self, path: &[u8]) -> Errno<()> {
        let place = self.tree.find(ROOT, path, LINK)?;
        if place.inode.is_some() {
            return Err(libc::EADDRINUSE);
        }
        self.make_at(&place, Node::Socket, 0o755);
        Ok(())
    }

    pub(super) fn is_socket_file(&mut self, name: &Name) -> bool {
        let Name::Path(path) = name else { return false };
        let found = self
            .tree
            .find(ROOT, path.as_os_str().as_encoded_bytes(), FOLLOW);
        found.is_ok_and(|place| place.inode.is_some())
    }

    /// Puts a file into the tree, or takes one out, from outside.
    pub(super) fn put(&mut self, path: &[u8], data: Vec<u8>) -> Errno<()> {
        let place = self.tree.find(ROOT, path, FOLLOW)?;
        match place.inode {
            None => {
                self.make_at(&place, Node::File(data), 0o644);
            }
            Some(inode) => match self.tree.get_mut(inode).map(|inode| &mut inode.node) {
                Some(Node::File(old)) => *old = data,
                _ => return Err(libc::EISDIR),
            },
        }
        Ok(())
    }

    pub(super) fn contents(&mut self, path: &[u8]) -> Errno<Vec<u8>> {
        let inode = self
            .tree
            .find(ROOT, path, FOLLOW)?
            .inode
            .ok_or(libc::ENOENT)?;
        match self.tree.get(inode).map(|inode| &inode.node) {
            Some(Node::File(data)) => Ok(data.clone()),
            _ => Err(libc::EISDIR),
        }
    }

    /// pread(2), and read(2) with an offset of -1.
    pub(super) fn read_file(&mut self, id: u64, most: usize, offset: u64) -> Errno<Vec<u8>> {
        let Some(Thing::File {
            inode,
            flags,
            cursor,
        }) = self.thing(id)
        else {
            return Err(libc::EBADF);
        };
        if *flags & libc::O_ACCMODE == libc::O_WRONLY {
            return Err(libc::EBADF);
        }
        let (inode, at) = (*inode, if offset == u64::MAX { *cursor } else { offset });
        if i64::try_from(at).is_err() {
            return Err(libc::EINVAL);
        }
        let there = match self.tree.get(inode).map(|inode| &inode.node) {
            Some(Node::File(data)) => data.len().saturating_sub(at as usize).min(most),
            Some(Node::Zero) => most,
            Some(Node::Null) => 0,
            _ => return Err(libc::EISDIR),
        };
        let n = self.shortened(there);
        let bytes = match self.tree.get(inode).map(|inode| &inode.node) {
            Some(Node::File(data)) if n > 0 => data[at as usize..at as usize + n].to_vec(),
            _ => vec![0; n],
        };
        self.move_cursor(id, offset, at + n as u64);
        Ok(bytes)
    }

    /// A read or a write without an offset leaves the cursor behind what it moved.
    fn move_cursor(&mut self, id: u64, offset: u64, to: u64) {
        if offset == u64::MAX
            && let Some(Thing::File { cursor, .. }) = self.thing(id)
        {
            *cursor = to;
        }
    }

    /// pwrite(2), and write(2) with an offset of -1.
    pub(super) fn write_file(&mut self, id: u64, data: &[u8], offset: u64) -> Errno<usize> {
        let Some(Thing::File {
            inode,
            flags,
            cursor,
        }) = self.thing(id)
        else {
            return Err(libc::EBADF);
        };
        if *flags & libc::O_ACCMODE == libc::O_RDONLY {
            return Err(libc::EBADF);
        }
        let (inode, append) = (*inode, *flags & libc::O_APPEND != 0);
        let mut at = if offset == u64::MAX { *cursor } else { offset };
        if i64::try_from(at).is_err() {
            return Err(libc::EINVAL);
        }
        let n = self.shortened(data.len());
        match self.tree.get_mut(inode).map(|inode| &mut inode.node) {
            Some(Node::File(content)) => {
                if append {
                    at = content.len() as u64;
                }
                let end = (at as usize).saturating_add(n);
                if end > LONGEST {
                    return Err(libc::EFBIG);
                }
                if n > 0 && content.len() < end {
                    content.resize(end, 0);
                }
                content[at as usize..][..n].copy_from_slice(&data[..n]);
            }
            Some(Node::Null | Node::Zero) => return Ok(data.len()),
            _ => return Err(libc::EISDIR),
        }
        self.move_cursor(id, offset, at + n as u64);
        Ok(n)
    }

    pub(super) fn seek(&mut self, id: u64, offset: i64, whence: i32) -> Errno<u64> {
        let Some(Thing::File { inode, cursor, .. }) = self.thing(id) else {
            return Err(libc::ESPIPE);
        };
        let (inode, here) = (*inode, *cursor as i64);
        let start = match whence {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => here,
            libc::SEEK_END => self.length(inode) as i64,
            _ => return Err(libc::EINVAL),
        };
        let to = start.checked_add(offset).ok_or(libc::EOVERFLOW)?;
        let to = u64::try_from(to).map_err(|_| libc::EINVAL)?;
        if let Some(Thing::File { cursor, .. }) = self.thing(id) {
            *cursor = to;
        }
        Ok(to)
    }

    fn length(&self, inode: u64) -> u64 {
        match self.tree.get(inode).map(|inode| &inode.node) {
            Some(Node::File(data)) => data.len() as u64,
            Some(Node::Link(target)) => target.len() as u64,
            _ => 0,
        }
    }

    fn file_of(&mut self, id: u64) -> Errno<(u64, i32)> {
        match self.thing(id) {
            Some(Thing::File { inode, flags, .. }) => Ok((*inode, *flags)),
            _ => Err(libc::EINVAL),
        }
    }

    /// ftruncate(2), and fallocate(2) without a mode.
    pub(super) fn resize(&mut self, id: u64, len: u64, shrink: bool) -> Errno<()> {
        let (inode, flags) = self.file_of(id)?;
        if flags & libc::O_ACCMODE == libc::O_RDONLY {
            return Err(if shrink { libc::EINVAL } else { libc::EBADF });
        }
        let len = usize::try_from(len)
            .ok()
            .filter(|len| *len <= LONGEST)
            .ok_or(libc::EFBIG)?;
        match self.tree.get_mut(inode).map(|inode| &mut inode.node) {
            Some(Node::File(data)) if shrink || len > data.len() => data.resize(len, 0),
            Some(Node::File(_)) => {}
            _ => return Err(libc::EINVAL),
        }
        Ok(())
    }

    /// `st_mode`, and whether a server is behind it.
    pub(super) fn kind_of(&mut self, id: u64) -> (u32, bool) {
        match self.thing(id) {
            Some(Thing::File { inode, .. }) => {
                let inode = *inode;
                (
                    self.mode(inode),
                    self.tree.get(inode).is_some_and(|inode| inode.remote),
                )
            }
            Some(Thing::Socket(socket)) if socket.kind == PIPE => (libc::S_IFIFO | 0o600, false),
            Some(Thing::Socket(_)) => (libc::S_IFSOCK | 0o777, false),
            _ => (0o600, false),
        }
    }

    fn mode(&self, inode: u64) -> u32 {
        let Some(inode) = self.tree.get(inode) else {
            return 0;
        };
        let kind = match inode.node {
            Node::File(_) => libc::S_IFREG,
            Node::Directory(_) => libc::S_IFDIR,
            Node::Link(_) => libc::S_IFLNK,
            Node::Socket => libc::S_IFSOCK,
            Node::Null | Node::Zero => libc::S_IFCHR,
        };
        kind | inode.mode
    }

    /// statx(2).
    pub(super) fn statx(&mut self, sqe: &Sqe, path: &[u8]) -> Errno<()> {
        let flags = sqe.op_flags as i32;
        let inode = if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
            let id = self.lookup(sqe.fd)?;
            match self.thing(id) {
                Some(Thing::File { inode, .. }) => *inode,
                _ => return Err(libc::EINVAL),
            }
        } else {
            let from = self.base(sqe.fd)?;
            let walk = if flags & libc::AT_SYMLINK_NOFOLLOW != 0 {
                LINK
            } else {
                FOLLOW
            };
            self.tree
                .find(from, path, walk)?
                .inode
                .ok_or(libc::ENOENT)?
        };
        let (mode, size) = (self.mode(inode), self.length(inode));
        let (links, remote) = match self.tree.get(inode) {
            Some(inode) => (inode.links, inode.remote),
            None => return Err(libc::ENOENT),
        };
        lent::set_statx(sqe.off, |out| {
            out.stx_mask = libc::STATX_BASIC_STATS;
            out.stx_mode = mode as u16;
            out.stx_size = size;
            out.stx_ino = inode;
            out.stx_nlink = links;
            out.stx_blksize = 4096;
            out.stx_blocks = size.div_ceil(512);
            out.stx_dev_minor = if remote { 2 } else { 1 };
        });
        Ok(())
    }

    /// What is done to names.
    pub(super) fn rename_or_such(&mut self, sqe: &Sqe, first: &[u8], second: &[u8]) -> Errno<()> {
        let from = self.base(sqe.fd)?;
        match sqe.opcode {
            opcode::UNLINKAT => self.unlink(from, first, sqe.op_flags as i32),
            opcode::MKDIRAT => {
                let place = self.free_place(from, first, true)?;
                self.make_at(&place, Node::Directory(Default::default()), 0o755);
                Ok(())
            }
            opcode::SYMLINKAT => {
                let place = self.free_place(from, second, false)?;
                self.make_at(&place, Node::Link(first.to_vec()), 0o777);
                Ok(())
            }
            opcode::LINKAT => {
                let to = self.base(sqe.len as i32)?;
                let inode = self.tree.find(from, first, LINK)?.inode;
                let inode = inode.ok_or(libc::ENOENT)?;
                let place = self.free_place(to, second, false)?;
                if self.is_directory(inode) {
                    return Err(libc::EPERM);
                }
                self.tree.enter(place.directory, &place.name, inode);
                Ok(())
            }
            opcode::RENAMEAT => {
                let to = self.base(sqe.len as i32)?;
                let old = self.last_place(from, first)?;
                let new = self.last_place(to, second)?;
                self.rename(&old, &new)
            }
            _ => Err(libc::EINVAL),
        }
    }

    /// The last name of a path, which is not followed; what a slash behind it asks for is left to the caller, for each call answers another errno.
    fn last_place(&mut self, from: u64, path: &[u8]) -> Errno<Place> {
        let slashes = path.iter().rev().take_while(|byte| **byte == b'/').count();
        let bare = match &path[..path.len() - slashes] {
            [] => path,
            bare => bare,
        };
        let place = self.tree.find(from, bare, LINK)?;
        Ok(Place {
            slash: slashes > 0,
            ..place
        })
    }

    /// A name that nothing has yet; a slash behind it is for directories.
    fn free_place(&mut self, from: u64, path: &[u8], directory: bool) -> Errno<Place> {
        let place = self.last_place(from, path)?;
        match place.inode {
            Some(_) => Err(libc::EEXIST),
            None if place.slash && !directory => Err(libc::ENOENT),
            None => Ok(place),
        }
    }

    fn unlink(&mut self, from: u64, path: &[u8], flags: i32) -> Errno<()> {
        let place = self.last_place(from, path)?;
        let inode = place.inode.ok_or(libc::ENOENT)?;
        if place.slash && !self.is_directory(inode) {
            return Err(libc::ENOTDIR);
        }
        match (self.entries_of(inode), flags & libc::AT_REMOVEDIR != 0) {
            (Some(_), false) => return Err(libc::EISDIR),
            (None, true) => return Err(libc::ENOTDIR),
            (Some(1..), true) => return Err(libc::ENOTEMPTY),
            _ => self.tree.remove(place.directory, &place.name),
        }
        Ok(())
    }

    /// How many names a directory has; `None` for what is none.
    fn entries_of(&self, inode: u64) -> Option<usize> {
        match self.tree.get(inode).map(|inode| &inode.node) {
            Some(Node::Directory(entries)) => Some(entries.len()),
            _ => None,
        }
    }

    /// Whether a directory is this one, or lies in it, however deep.
    fn is_within(&self, outer: u64, directory: u64) -> bool {
        let Some(Node::Directory(entries)) = self.tree.get(outer).map(|inode| &inode.node) else {
            return false;
        };
        outer == directory
            || entries
                .values()
                .any(|entry| self.is_within(*entry, directory))
    }

    fn rename(&mut self, old: &Place, new: &Place) -> Errno<()> {
        let inode = old.inode.ok_or(libc::ENOENT)?;
        if (old.slash || new.slash) && !self.is_directory(inode) {
            return Err(libc::ENOTDIR);
        }
        if self.is_within(inode, new.directory) {
            return Err(libc::EINVAL);
        }
        if let Some(there) = new.inode {
            if self.is_within(there, old.directory) {
                return Err(libc::ENOTEMPTY);
            }
            if there == inode {
                return Ok(());
            }
            match (self.is_directory(inode), self.entries_of(there)) {
                (true, None) => return Err(libc::ENOTDIR),
                (false, Some(_)) => return Err(libc::EISDIR),
                (true, Some(1..)) => return Err(libc::ENOTEMPTY),
                _ => self.tree.remove(new.directory, &new.name),
            }
        }
        self.tree.enter(new.directory, &new.name, inode);
        self.tree.remove(old.directory, &old.name);
        Ok(())
    }
}
