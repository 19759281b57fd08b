"""Whether a project may be written: the lock for a single writer, and network file systems without reliable locks."""

import json
import os
import socket
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from visionft.core.files import read_json, refuse_leaving_link
from visionft.core.messages import Message

_NETWORK_TYPES = (
    {"9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"smb2", "smb3", "smbfs", "webdav"}
    | {f"fuse.{name}" for name in ("ceph", "davfs2", "gcsfuse", "glusterfs", "rclone", "s3fs", "sshfs")}
)


class ProjectLock:
    """Hold `<project>/.lock` as long as the project is open for writing.

    The owner's process and host are in `.lock.json` beside it (on Windows a locked file itself cannot be read). The
    operating system releases the lock when the process dies, so that a crash never leaves a stale lock.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / ".lock"
        self._lock = FileLock(self._file, timeout=0)
        self._owner = folder / ".lock.json"

    def acquire(self) -> str:
        """Take the lock. Return "" on success, else the reason for read-only access.

        Raises:
            VisionFTError: A file of it is a link out of the project.
        """
        for path in (self._file, self._owner):
            refuse_leaving_link(path)
        try:
            self._lock.acquire()
            self._owner.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
            return ""
        except Timeout:
            try:
                noted = read_json(self._owner)
                owner = Message("process {owner} on {owner2}", owner=noted["pid"], owner2=noted["host"])
            except (OSError, ValueError, KeyError, TypeError):
                owner = "another process"
            return Message("it is open in another window or command ({owner})", owner=owner)
        except OSError as error:
            self.release()
            return Message("its folder cannot be written ({value})", value=error.strerror or error)

    def release(self) -> None:
        """Release the lock; harmless when it is not held."""
        if self._lock.is_locked:
            self._owner.unlink(missing_ok=True)
        self._lock.release()


def network_file_system(folder: Path) -> str:
    """Return the kind of network file system of `folder` ("nfs4", "cifs"), "" for a local disk."""
    folder = folder.resolve()
    if sys.platform == "win32":
        import ctypes

        drive = os.path.splitdrive(folder)[0]
        is_remote = drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(drive + "\\") == 4  # DRIVE_REMOTE
        return "network drive" if is_remote else ""
    import psutil  # slow to import, and most starts of the window open no project

    try:  # of several mounts in one place the last counts
        mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    except (OSError, psutil.Error):
        return ""
    kind = next((mounts[each] for each in (folder, *folder.parents) if each in mounts), "")  # the deepest
    return kind if kind in _NETWORK_TYPES else ""
