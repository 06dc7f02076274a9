"""Speed and memory beside the peers, in one run, as ratios: ``python -m bench`` or ``make bench``."""
