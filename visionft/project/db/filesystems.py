"""Telling a network file system from a disk: SQLite's locks are not to be trusted over a network."""

import os
import sys
from pathlib import Path

_NETWORK_TYPES = (
    {"9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"smb2", "smb3", "smbfs", "webdav"}
    | {f"fuse.{name}" for name in ("ceph", "davfs2", "gcsfuse", "glusterfs", "rclone", "s3fs", "sshfs")}
)
_DRIVE_REMOTE = 4  # GetDriveTypeW


def network_file_system(folder: Path) -> str:
    """Return the kind of network file system that `folder` lies on ("nfs4", "cifs"), "" when it is on a disk."""
    if sys.platform == "win32":
        return _on_windows(folder)
    import psutil  # takes its time to load, and most starts of the window open no project

    try:
        mounts = {
            Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)
        }  # the last one counts
    except (OSError, psutil.Error):
        return ""
    kind = mount_type(folder.resolve(), mounts)
    return kind if kind in _NETWORK_TYPES else ""


def mount_type(folder: Path, mounts: dict[Path, str]) -> str:
    """Return the type of the deepest mount point that holds `folder`."""
    return next((mounts[each] for each in (folder, *folder.parents) if each in mounts), "")


def _on_windows(folder: Path) -> str:
    if sys.platform != "win32":
        return ""
    import ctypes

    drive = os.path.splitdrive(folder.resolve())[0]
    is_remote = drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(drive + "\\") == _DRIVE_REMOTE
    return "network drive" if is_remote else ""
