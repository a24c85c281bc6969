"""What the entities, errors and repositories of every domain share. It comes from the template; an update renews it.

May import: the standard library.
"""
