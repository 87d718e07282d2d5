"""Whole machines: a bare Debian with systemd, on which install.sh is run."""
