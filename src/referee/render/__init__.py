"""Renderers: one file per format. Each takes a Diagnosis and gives the whole text."""
