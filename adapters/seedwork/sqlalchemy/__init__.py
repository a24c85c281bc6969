"""Transactions and repositories on SQLAlchemy's session, for SQLite and PostgreSQL. Start with ``transaction.py``."""
