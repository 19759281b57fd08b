"""Telling a network file system from a disk: SQLite's locks are not to be trusted over a network."""

import os
import subprocess
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
    mounts = Path("/proc/self/mountinfo")
    try:
        if mounts.exists():
            kind = mount_type(folder.resolve(), parse_mountinfo(mounts.read_text("utf-8", "surrogateescape")))
        else:
            output = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=True, timeout=5).stdout
            kind = mount_type(folder.resolve(), parse_mount_output(output))
    except (OSError, subprocess.SubprocessError):
        return ""
    return kind if kind in _NETWORK_TYPES else ""


def mount_type(folder: Path, mounts: dict[Path, str]) -> str:
    """Return the type of the deepest mount point that holds `folder`."""
    for place in (folder, *folder.parents):
        if place in mounts:
            return mounts[place]
    return ""


def parse_mountinfo(text: str) -> dict[Path, str]:
    """Return {mount point: type} of Linux's /proc/self/mountinfo, where blanks are written as octal escapes."""
    mounts: dict[Path, str] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) >= 5 and after:
            place = fields[4]
            for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
                place = place.replace(code, character)
            mounts[Path(place)] = after.split()[0]
    return mounts


def parse_mount_output(text: str) -> dict[Path, str]:
    """Return {mount point: type} of macOS's `mount`: "//user@host/share on /Volumes/share (smbfs, nodev)"."""
    mounts: dict[Path, str] = {}
    for line in text.splitlines():
        left, _, options = line.rpartition(" (")
        _, found, place = left.partition(" on ")
        if found:
            mounts[Path(place)] = options.split(",")[0].strip(" )")
    return mounts


def _on_windows(folder: Path) -> str:
    if sys.platform != "win32":
        return ""
    import ctypes

    drive = os.path.splitdrive(folder.resolve())[0]
    is_remote = drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(drive + "\\") == _DRIVE_REMOTE
    return "network drive" if is_remote else ""
