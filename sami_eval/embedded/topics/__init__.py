"""The world's categories: each module draws one random task."""
