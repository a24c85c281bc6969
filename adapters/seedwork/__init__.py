"""Transactions and repositories on SQLAlchemy and in memory, and what all commands share.

It comes from the template, and an update renews it. May import: the other ``seedwork`` packages, and libraries.
"""
