"""The sample application: what KoproGo's backend looks like from outside, in small.

It is baked into an image together with the release that it is: a version, migrations, and how it
misbehaves. Nothing in the environment can change the latter.
"""
