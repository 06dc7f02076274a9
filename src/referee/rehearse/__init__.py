"""Runs sign-up, login, writes and deletion on a throw-away server, as the roles that production uses."""
