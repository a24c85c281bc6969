"""What happens after a user was registered, on every implementation."""

import logging

import pytest

from domain.user import EmailAlreadyTaken
from service_layer import users
from service_layer.seedwork.worker import Worker
from service_layer.unit_of_work import UnitOfWork


def test_each_registered_user_is_greeted_once(uow: UnitOfWork, caplog: pytest.LogCaptureFixture) -> None:
    john = users.register_user(uow, name="John Doe", age=30, email="john@example.com")
    with pytest.raises(EmailAlreadyTaken):
        users.register_user(uow, name="Jane Roe", age=28, email="john@example.com")
    users.register_user(uow, name="John Doe", age=30, email="john@example.com", user_id=john.id)

    with caplog.at_level(logging.INFO):
        Worker(uow).work()
        Worker(uow).work()

    assert caplog.messages == [f"Welcome, user {john.id}!"]
