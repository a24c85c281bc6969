"""Business rules: entities, value objects, their errors, and the repository ports.

Belongs here: what would still be true without a database.
Start with ``user.py``.
May import: the standard library; import-linter checks it.
"""
