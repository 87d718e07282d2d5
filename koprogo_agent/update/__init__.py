"""The shell around the domain: the only place where decisions and effects meet."""
