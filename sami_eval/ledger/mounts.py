"""Which file system a path lies on: SQLite's write-ahead log is unsafe on a network's."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

MOUNT_TABLE = Path("/proc/self/mounts")
# All fuse.* file systems count: most of them (sshfs, s3fs, GlusterFS) are another machine's.
NETWORK = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "beegfs", "ceph", "gpfs", "glusterfs"),
    *("afs", "ncpfs", "9p", "panfs", "orangefs", "ocfs2", "gfs2", "wekafs"),
)


def network_type(path: Path, mount_table: str) -> str | None:
    """The type of the network file system an absolute path lies on; None on a local one.

    mount_table: text in the format of /proc/mounts; without a fitting line, the path is local.
    """
    best, kind = -1, ""
    for line in mount_table.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = PurePosixPath(_unescaped(fields[1]))
        # Of two mounts on one point, the later one hides the earlier.
        if PurePosixPath(path).is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind if kind in NETWORK or kind.startswith("fuse") else None


def _unescaped(point: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        point = point.replace(code, character)
    return point


def read_mounts() -> str:
    """This machine's mount table; empty where it has none to read."""
    try:
        return MOUNT_TABLE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
