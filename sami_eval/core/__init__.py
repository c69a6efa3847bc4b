"""The nouns, errors, configuration and progress that everything speaks in.

Layer 0: imports nothing else of the package; everything may import it.
"""
