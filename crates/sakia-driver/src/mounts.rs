//! Which file systems have a server behind them, one that may be slow or hang: known from a file's device number and the mount table,
//! never from the server itself.

use std::os::fd::RawFd;
use std::time::Duration;

use crate::driver::Driver;
use crate::kernel::call::{Call, Device};

impl Driver {
    /// What a descriptor leads to, as far as the kernel knows without asking a server.
    pub(crate) fn device(&self, fd: RawFd) -> Option<Device> {
        let mut device = Device::default();
        self.call(Call::Device(fd, &mut device)).ok()?;
        Some(device)
    }

    /// Whether what a descriptor leads to has a server behind it. Where nothing with a server is mounted, it costs a look at a cheap clock.
    pub(crate) fn is_served(&self, fd: RawFd) -> bool {
        self.refresh_mounts(ANY_AGE);
        if !self.mounts().any_served {
            return false;
        }
        let Some(device) = self.device(fd) else {
            return false;
        };
        let (major, minor) = (device.major, device.minor);
        if let Some(found) = self.mounts().find(major, minor) {
            return found;
        }
        self.refresh_mounts(UNKNOWN_AGE);
        // btrfs subvolumes and overlays show device numbers that no mount has: both are local.
        self.mounts().find(major, minor).unwrap_or(false)
    }

    fn refresh_mounts(&self, age: Duration) {
        let now = self.clock.roughly();
        if self.mounts().is_older(now, age) {
            let mut text = String::new();
            // Without a table no file is known to have a server.
            let _ = self.call(Call::Mounts(&mut text));
            self.mounts().learn(&text, now);
        }
    }
}

/// The mounts whose files have a server behind them, by device number.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    known: Vec<((u32, u32), bool)>,
    /// Whether one of them has a server.
    any_served: bool,
    /// When the table was read, by [`Clock::roughly`](crate::Clock).
    read: Option<Duration>,
}

/// How long an unknown device waits before the mount table is read again.
const UNKNOWN_AGE: Duration = Duration::from_millis(100);
/// How long a mount may go unnoticed where nothing else has a server.
const ANY_AGE: Duration = Duration::from_secs(1);

impl Mounts {
    fn is_older(&self, now: Duration, age: Duration) -> bool {
        self.read.is_none_or(|read| now.saturating_sub(read) > age)
    }

    fn learn(&mut self, text: &str, now: Duration) {
        self.known = parse(text);
        self.any_served = self.known.iter().any(|(_, served)| *served);
        self.read = Some(now);
    }

    fn find(&self, major: u32, minor: u32) -> Option<bool> {
        let hit = self
            .known
            .iter()
            .rev()
            .find(|(device, _)| *device == (major, minor));
        hit.map(|(_, served)| *served)
    }
}

/// Reads proc_pid_mountinfo(5): "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue".
fn parse(text: &str) -> Vec<((u32, u32), bool)> {
    text.lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let (major, minor) = left.split(' ').nth(2)?.split_once(':')?;
            let kind = right.split(' ').next()?;
            Some(((major.parse().ok()?, minor.parse().ok()?), has_server(kind)))
        })
        .collect()
}

fn has_server(kind: &str) -> bool {
    let family = kind.split('.').next().unwrap_or(kind);
    matches!(
        family,
        "nfs"
            | "nfs4"
            | "cifs"
            | "smb3"
            | "smbfs"
            | "fuse"
            | "fuseblk"
            | "9p"
            | "ceph"
            | "afs"
            | "lustre"
            | "glusterfs"
            | "gfs2"
            | "ocfs2"
            | "orangefs"
            | "beegfs"
            | "virtiofs"
            | "coda"
            | "ncpfs"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_table_tells_servers_from_disks() {
        let text = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                    40 22 0:35 / /mnt/a\\040b rw shared:2 master:1 - fuse.sshfs me@host rw\n\
                    41 22 0:36 / /nfs rw - nfs4 server:/ rw\n\
                    42 22 0:37 / /o rw - overlay overlay rw\n";
        let mut mounts = Mounts::default();
        mounts.learn("22 1 254:0 / / rw - ext4 /dev/vda rw", Duration::ZERO);
        assert!(!mounts.any_served);
        mounts.learn(text, Duration::from_secs(1));
        assert!(mounts.any_served);
        assert_eq!(mounts.find(254, 0), Some(false));
        assert_eq!(mounts.find(0, 35), Some(true));
        assert_eq!(mounts.find(0, 36), Some(true));
        assert_eq!(mounts.find(0, 37), Some(false));
        assert_eq!(mounts.find(9, 9), None);
    }
}
