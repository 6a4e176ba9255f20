//! The files of a simulation: a small tree in memory, with links, two devices and a directory that has a server behind it (`/remote`).

use std::collections::BTreeMap;

/// What an inode is.
#[derive(Debug)]
pub(super) enum Node {
    File(Vec<u8>),
    Directory(BTreeMap<Vec<u8>, u64>),
    Link(Vec<u8>),
    Socket,
    Null,
    Zero,
}

#[derive(Debug)]
pub(super) struct Inode {
    pub(super) node: Node,
    pub(super) links: u32,
    /// Open file descriptions of it.
    pub(super) opened: u32,
    pub(super) mode: u32,
    pub(super) remote: bool,
}

/// Where a path leads: the directory, the last name, and what it names, if it does.
pub(super) struct Place {
    pub(super) directory: u64,
    pub(super) name: Vec<u8>,
    pub(super) inode: Option<u64>,
    /// Whether the path says that it must be a directory.
    pub(super) slash: bool,
}

/// How a path is walked.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    /// Whether a link at the end is followed.
    pub(super) follow: bool,
    /// Whether it may not leave the directory that it starts in.
    pub(super) beneath: bool,
    /// Whether what is missing will be made, as a file: a slash at the end is refused unseen.
    pub(super) create: bool,
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Tree {
    inodes: BTreeMap<u64, Inode>,
    next: u64,
}

pub(super) const ROOT: u64 = 1;

type Errno<T> = Result<T, i32>;

impl Tree {
    pub(super) fn new() -> Self {
        let mut tree = Self {
            inodes: BTreeMap::new(),
            next: ROOT,
        };
        let root = tree.make(Node::Directory(BTreeMap::new()), 0o755, false);
        for name in ["tmp", "dev", "remote"] {
            let remote = name == "remote";
            let inode = tree.make(Node::Directory(BTreeMap::new()), 0o777, remote);
            tree.enter(root, name.as_bytes(), inode);
        }
        let walk = Walk {
            follow: true,
            beneath: false,
            create: false,
        };
        if let Ok(Place {
            inode: Some(dev), ..
        }) = tree.find(ROOT, b"/dev", walk)
        {
            for (name, node) in [("null", Node::Null), ("zero", Node::Zero)] {
                let inode = tree.make(node, 0o666, false);
                tree.enter(dev, name.as_bytes(), inode);
            }
        }
        tree
    }

    /// Makes an inode that has no name yet.
    pub(super) fn make(&mut self, node: Node, mode: u32, remote: bool) -> u64 {
        let id = self.next;
        self.next += 1;
        let inode = Inode {
            node,
            links: 0,
            opened: 0,
            mode,
            remote,
        };
        self.inodes.insert(id, inode);
        id
    }

    pub(super) fn get(&self, id: u64) -> Option<&Inode> {
        self.inodes.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Inode> {
        self.inodes.get_mut(&id)
    }

    fn entries(&mut self, id: u64) -> Errno<&mut BTreeMap<Vec<u8>, u64>> {
        match self.inodes.get_mut(&id).map(|inode| &mut inode.node) {
            Some(Node::Directory(entries)) => Ok(entries),
            Some(_) => Err(libc::ENOTDIR),
            None => Err(libc::ENOENT),
        }
    }

    /// Gives an inode a name.
    pub(super) fn enter(&mut self, directory: u64, name: &[u8], inode: u64) {
        if let Ok(entries) = self.entries(directory) {
            entries.insert(name.to_vec(), inode);
        }
        if let Some(inode) = self.inodes.get_mut(&inode) {
            inode.links += 1;
        }
    }

    /// Takes a name away.
    pub(super) fn remove(&mut self, directory: u64, name: &[u8]) {
        let inode = self
            .entries(directory)
            .ok()
            .and_then(|entries| entries.remove(name));
        if let Some(id) = inode {
            if let Some(inode) = self.inodes.get_mut(&id) {
                inode.links -= 1;
            }
            self.forget_if_unused(id);
        }
    }

    pub(super) fn opened(&mut self, id: u64) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.opened += 1;
        }
    }

    pub(super) fn closed(&mut self, id: u64) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.opened -= 1;
        }
        self.forget_if_unused(id);
    }

    fn forget_if_unused(&mut self, id: u64) {
        let unused = |inode: &Inode| inode.links == 0 && inode.opened == 0;
        if id != ROOT && self.inodes.get(&id).is_some_and(unused) {
            self.inodes.remove(&id);
        }
    }

    /// Walks a path from a directory.
    pub(super) fn find(&mut self, from: u64, path: &[u8], walk: Walk) -> Errno<Place> {
        let mut budget = 40;
        self.walk(from, path, walk, &mut budget)
    }

    fn walk(&mut self, from: u64, path: &[u8], walk: Walk, budget: &mut u32) -> Errno<Place> {
        let absolute = match path {
            [] => return Err(libc::ENOENT),
            _ if path.len() >= libc::PATH_MAX as usize => return Err(libc::ENAMETOOLONG),
            [b'/', ..] if walk.beneath => return Err(libc::EXDEV),
            [first, ..] => *first == b'/',
        };
        // The way down, so that `..` knows where it came from.
        let mut way = vec![if absolute { ROOT } else { from }];
        let slash = path.ends_with(b"/");
        let mut last = Place {
            directory: way[0],
            name: b".".to_vec(),
            inode: Some(way[0]),
            slash: true,
        };
        let names = path.split(|byte| *byte == b'/');
        let mut names = names.filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            let here = *way.last().expect("the way has a start");
            let is_last = names.peek().is_none();
            let found = self.step(&mut way, name, walk)?;
            if found.is_none() && !is_last {
                return Err(libc::ENOENT);
            }
            if is_last && slash && walk.create {
                return Err(libc::EISDIR);
            }
            last = Place {
                directory: here,
                name: name.to_vec(),
                inode: found,
                slash,
            };
            let Some(inode) = found else { break };
            if !is_last || walk.follow || slash {
                if let Some(target) = self.target(inode) {
                    *budget = budget.checked_sub(1).ok_or(libc::ELOOP)?;
                    let follow = Walk {
                        follow: true,
                        create: walk.create && is_last,
                        ..walk
                    };
                    last = self.walk(here, &target, follow, budget)?;
                }
                if let (false, Some(inode)) = (is_last, last.inode) {
                    self.entries(inode)?;
                }
            }
            way.push(last.inode.or(is_last.then_some(here)).ok_or(libc::ENOENT)?);
        }
        if let (true, Some(inode)) = (slash, last.inode) {
            self.entries(inode)?;
        }
        Ok(last)
    }

    /// What a name leads to from the end of the way.
    fn step(&mut self, way: &mut Vec<u64>, name: &[u8], walk: Walk) -> Errno<Option<u64>> {
        let here = *way.last().expect("the way has a start");
        match name {
            b"." => Ok(Some(here)),
            b".." if way.len() > 1 => {
                way.pop();
                Ok(way.pop())
            }
            b".." if walk.beneath => Err(libc::EXDEV),
            // The parent of a directory that the walk did not come through is not known: the root's is the root.
            b".." => Ok(Some(here)),
            _ if name.len() > 255 => Err(libc::ENAMETOOLONG),
            _ => Ok(self.entries(here)?.get(name).copied()),
        }
    }

    fn target(&self, inode: u64) -> Option<Vec<u8>> {
        match self.get(inode).map(|inode| &inode.node) {
            Some(Node::Link(target)) => Some(target.clone()),
            _ => None,
        }
    }
}
