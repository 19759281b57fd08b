"""Counts and amounts the way people write them. Knows nothing else."""


def millions(count: int) -> str:
    """Return a parameter count for people: `950`, `12.3 K`, `11.2 M`."""
    if count < 1000:
        return str(count)
    if count < 1_000_000:
        return f"{count / 1000:.1f} K"
    return f"{count / 1_000_000:.1f} M"


def memory_text(megabytes: int) -> str:
    """Return an amount of memory for people: `722 MB`, `3.4 GB`."""
    return f"{megabytes:,} MB" if megabytes < 1024 else f"{megabytes / 1024:.1f} GB"


def size_text(size: int) -> str:
    """Return a number of bytes for people: `812 KB`, `94.1 MB`, `1.2 GB`."""
    if size < 1_000_000:
        return f"{size / 1000:.0f} KB"
    return f"{size / 1_000_000:.1f} MB" if size < 1_000_000_000 else f"{size / 1_000_000_000:.1f} GB"


def duration(seconds: float) -> str:
    """Return a time span for people: `45 s`, `3 min 20 s`, `1 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
