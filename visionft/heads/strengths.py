"""How strongly closed-form heads are held back: the one grid of heads, votes and probes. Torch-free, a leaf."""

RIDGES = (1e-2, 1e-1, 1.0, 10.0)  # strengths relative to the mean variance of a feature
SHRINKAGES = (0.05, 0.2, 0.5, 0.9)  # towards a covariance that is the same in every direction
