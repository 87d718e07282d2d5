"""Measured figures, as ratios against floors of the same run (`make bench`)."""
