"""The paper's experiments (Govande 2024, arXiv 2410.01704), run again and audited."""
