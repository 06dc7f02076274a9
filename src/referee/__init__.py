"""referee: finds foreign keys that point at the wrong user table, and shows what production will do with them."""

__version__ = "0.1.0"
