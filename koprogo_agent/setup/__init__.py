"""The first configuration: what runs here already, and what the operator says."""
