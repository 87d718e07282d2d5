"""Logging in at an OpenID provider, both sides real."""
