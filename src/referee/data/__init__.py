"""The rows of live databases: asking questions about them, and repairing what is wrong."""
