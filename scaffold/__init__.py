"""The commands of a fork's life: ``python -m scaffold``, or ``make``, which calls it.

Belongs here: what writes or removes files of the house. It is Groundwork's; a fork may delete it, with its lines in
``Makefile`` and ``pyproject.toml``.
"""
