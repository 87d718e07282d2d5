"""What is done: one outside system a file."""
