"""The commands from Python: one typed function a command, and results that show themselves.

A face has the settings of its command's class, by name, type and default: a test holds them equal.

Layer 6: imports all below; nothing imports it but whoever writes `sami_eval.compare(...)`.
"""
