"""Writes and removes what a fork of the template repeats: aggregates.

It comes from the template; an update renews it. A fork that needs it no more may delete the folder, with
``tests/scaffold`` and the targets of the Makefile.
"""
