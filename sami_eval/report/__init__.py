"""How a finished comparison is shown: terminal, JSON and files."""
