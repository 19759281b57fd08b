"""Whether training is worth it, measured on the user's own images; and the texts of the comparison of models."""
