"""Reports to the association's fleet: what is said, kept until it is heard, and when it is said.

Off unless chosen. Nothing else depends on it: a dead, slow or hostile server neither delays nor
changes an update.
"""
