"""How revisions are run, written and judged. It comes from the template; an update renews it."""
