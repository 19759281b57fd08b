"""Getting pretrained weights onto this computer: from the hub, a file, or a folder copied from another computer.

`locations`, `records` and `weights_loading` find, read and check local files and never connect; nothing here
falls back to random values. `hub` alone connects, and only on request. Importing the package loads neither torch nor
the hub's client.
"""
