"""A fleet that is not there: real keys and signed reports, and nothing behind them.

`plan` says what is to be seen, `fate` draws what becomes of each instance, `agent` behaves as one
does, `source` stands for git, `line` speaks to the server, `crowd` lets all of them live by one
clock, and `tally` counts what came of it.
"""
