"""The learning rate over a run: linear warm-up, then half a cosine (Loshchilov and Hutter, arXiv:1608.03983)."""

import math


def learning_rate_factor(step: int, *, total_steps: int, warmup_share: float) -> float:
    """Return the share of the peak rate at optimiser step `step`, counted from 0; in (0, 1]."""
    warmup = round(total_steps * warmup_share)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total_steps - warmup)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
