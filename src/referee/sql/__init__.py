"""Text to tree and back. The only package that imports a parser; no tree of a parser leaves it."""
