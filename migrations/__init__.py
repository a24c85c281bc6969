"""How the schema is made: the revisions, and what runs them."""
