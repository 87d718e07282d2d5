"""One suite of behaviour for each port, on the simulation and on the real adapters alike."""
