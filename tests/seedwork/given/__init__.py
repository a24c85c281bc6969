"""The server that TEST_DATABASE_URL names: what it lacks, and databases or schemas of the tests' own on it.

A run makes names of its own and drops them; what a killed run has left the next one drops. Nothing else is touched.
Start with ``server.py``.
"""
