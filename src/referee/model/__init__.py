"""The vocabulary that every part of referee speaks: frozen dataclasses, standard library only."""
