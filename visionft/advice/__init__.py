"""Whether training is worth it, measured on the user's own images: learning curve, forecast, recommendation.

`learning_curve` predicts the gain from more labels, `forecast` the gain from fine-tuning, and `recommend` compares all
models. Nothing here trains except two short trials, where the time limit allows them.
"""
