"""The fleet server: takes the reports of instances and shows the association its fleet.

It holds no power over an instance, and no map of who hosts what: no address is ever kept.
"""
