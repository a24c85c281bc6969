"""The outer ring: what the application needs from the world, made of libraries.

Belongs here: SQLAlchemy, settings, the composition root (``container.py``), the command line. Start with ``users.py``.
May import: everything further in; nothing further in imports it, and import-linter checks that.
"""
