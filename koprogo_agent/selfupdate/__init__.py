"""The agent as a product of its own: found, tried, switched to, and blessed or put back."""
