"""Who gets which events: one line for each handler. ``docs/events.md`` shows what a handler looks like."""

from service_layer.greetings import greet_user
from service_layer.seedwork.outbox import Handlers

HANDLERS = Handlers()
HANDLERS.add("greet", greet_user)
