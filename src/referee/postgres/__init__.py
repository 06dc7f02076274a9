"""Servers and sessions: the only part of referee that talks to Postgres."""
