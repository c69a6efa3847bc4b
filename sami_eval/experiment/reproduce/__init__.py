"""The paper's experiments (Govande 2024, arXiv 2410.01704), run again and audited.

A scale's steps (scale, step) become stages (work, trial), each done once (checklist); they are
reckoned before (expect) and set beside the published figures after (judged, sampled).
"""
