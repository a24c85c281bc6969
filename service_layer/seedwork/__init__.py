"""The rules of a transaction, its errors, and the retry. It comes from the template; an update renews it.

Start with ``transaction.py``. May import: ``domain.seedwork``, the standard library and tenacity.
"""
