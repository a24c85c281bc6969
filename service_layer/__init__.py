"""Use cases: the functions that callers call, and the unit of work that each of them runs in.

Belongs here: what the application does, one function a use case. ``seedwork/transaction.py`` has the rules of a
transaction.
Start with ``users.py``.
May import: domain, the standard library and tenacity; import-linter checks it.
"""
