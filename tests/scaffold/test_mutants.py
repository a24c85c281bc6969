"""The mutants of this project can be applied to its code as it is."""

from tests.seedwork.mutants import misfits, mutants


def test_every_mutant_breaks_a_line_that_stands_in_the_code() -> None:
    assert list(misfits(mutants())) == []
