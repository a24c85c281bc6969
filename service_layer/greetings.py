"""Greetings: what happens after a user was registered, by a handler of its event."""

import logging

from domain.user import UserRegistered
from service_layer.unit_of_work import UnitOfWork

log = logging.getLogger(__name__)


def greet_user(uow: UnitOfWork, event: UserRegistered) -> None:  # noqa: ARG001  # a handler takes it
    """Greet a new user, in the log. A mail would go to a port, with the id of the event as its key."""
    log.info("Welcome, user %s!", event.user_id)
