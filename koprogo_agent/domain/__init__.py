"""What is decided: pure values in, pure values out; no clock, no files, no network."""
