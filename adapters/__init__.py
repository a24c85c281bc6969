"""The outer layer: the database, the settings and the command line, built on libraries.

Belongs here: SQLAlchemy, settings, the composition root (``container.py``), the command line.
Start with ``users.py``.
May import: every layer. No other layer imports it; import-linter checks that.
"""
