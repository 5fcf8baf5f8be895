"""The story of a search as one page."""
