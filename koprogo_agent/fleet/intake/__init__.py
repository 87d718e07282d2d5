"""How reports come in: checked from the cheapest check to the dearest, then kept."""
