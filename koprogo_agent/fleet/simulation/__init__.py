"""A fleet that is not there: real keys and signed reports, and nothing behind them.

`plan` says what is to be seen, `fate` draws what becomes of each instance. An `agent` with its
`outbox` behaves as a real one, in front of a `source` that stands for git. The `crowd` is all of
them by one `agenda`; `calls` sends their reports, each on a `line`. The `course` goes from the
first word with the server to the `tally` of what came of it.
"""
