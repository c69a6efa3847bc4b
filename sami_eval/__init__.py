"""Did this adapter make the model better, or is it noise?"""

__version__ = "0.1.0"
