"""What reads bytes from outside, fuzzed: a little by the unit tests, and at length by atheris."""
