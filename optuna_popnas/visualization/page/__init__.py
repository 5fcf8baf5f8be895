"""The story of a search as one page: a jinja2 template and what is written into it."""
