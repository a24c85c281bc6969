"""What a unit of work costs: this project beside what one would pick instead. ``make bench`` runs it.

Belongs here: the subjects, what they are asked to do, the clocks, and the report that ``docs/performance.md`` shows.
Start with ``subject.py``. No other package imports it.
"""
