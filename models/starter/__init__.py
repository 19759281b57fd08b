"""Two small pretrained backbones that ship with the program, and the code that made them.

Owns the definitions (``architectures``), the weight files beside this module and their pretraining
(``python -m models.starter.pretrain``). Importing this package must not import torch.
"""
