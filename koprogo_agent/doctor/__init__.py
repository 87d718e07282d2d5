"""What a machine needs so that the agent can work on it, each thing asked of the thing itself."""
