"""Format sizes (in units of 1000, as file managers do), time spans and counts for people."""

MIN_IMAGES_FOR_PERCENT = 20  # with fewer, a share is shown as a count, because "100%" of one image is misleading


def share_text(share: float, count: int, *, of: str = "of") -> str:
    """Format a share of `count` images: as `3 of 4` for fewer than `MIN_IMAGES_FOR_PERCENT`, otherwise as `95%`.

    Args:
        share: The share, 0 to 1.
        count: The total number of images.
        of: The translated word "of".
    """
    return f"{share:.0%}" if count >= MIN_IMAGES_FOR_PERCENT else f"{round(share * count):,} {of} {count:,}"


def size_text(size: float) -> str:
    """Format a number of bytes: `812 bytes`, `9.4 kB`, `94 MB`, `1.2 GB`; one decimal below ten."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:,.0f} {units[0]}" if units[0] == "bytes" or size >= 9.95 else f"{size:.1f} {units[0]}"


def memory_text(mebibytes: int) -> str:
    """Format an amount of memory in MiB, in the units of `size_text`."""
    return size_text(mebibytes * 2**20)


def duration_text(seconds: float) -> str:
    """Format a time span: `0.3 s`, `45 s`, `3 min 20 s`, `1 h 05 min`."""
    if 0.05 <= seconds < 0.95:
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def rough_duration_text(seconds: float) -> str:
    """Format an estimated time span: `10 s`, `14 min`, `1 h 20 min`; never less than 5 s."""
    if seconds < 57.5:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 3570:
        return f"{max(1, round(seconds / 60))} min"
    tens = round(seconds / 600)
    return f"{tens // 6} h {tens % 6 * 10:02d} min"


def count_text(count: int) -> str:
    """Format a parameter count: `950`, `12.3 K`, `11.2 M`."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f} K" if count < 1_000_000 else f"{count / 1_000_000:.1f} M"
