"""The rules of a transaction, its errors, the retry, and what follows a commit.

It comes from the template, and an update renews it. Start with ``transaction.py``.
May import: ``domain.seedwork``, the standard library and tenacity.
"""
