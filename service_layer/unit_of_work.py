"""The application's unit of work: its repositories, one line each.

The rules of a block stand in ``seedwork/transaction.py``; the two implementations in ``adapters/unit_of_work.py``.
"""

from domain.user import UserRepository
from service_layer.seedwork.transaction import Transaction


class UnitOfWork(Transaction):
    """One block is one transaction; inside it, these are the aggregates."""

    users: UserRepository
    """All users."""
