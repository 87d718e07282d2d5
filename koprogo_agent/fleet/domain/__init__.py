"""What the server knows of instances and releases, and how they are counted. Pure."""
