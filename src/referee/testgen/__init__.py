"""Writes tests that pin what matters about users: where references point, and what a sign-up leaves behind."""
