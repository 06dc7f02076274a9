"""The workflows: each a page that reads as its pipeline, and what they share."""
