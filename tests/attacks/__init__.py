"""Each known way in, tried on the real agent: which rule keeps it out, and what is told of it.

`docs/security.md` has the table; `python -m tests.attacks.proof` shows that no rule is idle.
"""

import pytest

pytest.register_assert_rewrite("tests.attacks.field")  # what it finds is shown in full
