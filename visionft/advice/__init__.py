"""Whether training is worth it, measured on the user's own pictures: the curve over labels, a forecast, an advice.

`learning_curve` says what more labels give, `forecast` what fine-tuning gives, `recommend` compares everything that
answers and says in a sentence what to do. Nothing here trains but two short trials, where time was given for them.
"""
