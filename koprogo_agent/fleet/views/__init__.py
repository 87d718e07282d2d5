"""What is shown of the fleet, as plain values: pages draw them, the API sends them. Pure."""
