"""A TCP proxy on the loopback that breaks connections on demand: it cuts them, refuses them, or stops answering.

It also lets a PostgreSQL behave like a server that lacks something, or answers COMMIT with an error.
"""

import select
import socket
from contextlib import suppress
from threading import Thread
from typing import Self

SIZE = 2**16


class TcpProxy:
    """Carries bytes between clients and ``host:port``, in a thread of its own; ``with`` starts and stops it."""

    def __init__(self, host: str, port: int) -> None:
        self.sent: list[bytes] = []
        """What clients have sent, request by request."""
        self.refused = 0
        """How many clients it has turned away."""
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._refusals = 0
        self._silent = False
        self._cut: tuple[bytes, bool] | None = None
        self._misspelt: list[tuple[bytes, bytes]] = []
        self._failures: list[str] = []
        self._stop, self._stopped = socket.socketpair()
        self._thread = Thread(target=self._run)

    def cut_before(self, word: bytes) -> None:
        """Cut the next connection over which a client sends ``word``; the server never gets it."""
        self._cut = word, False

    def cut_after(self, word: bytes) -> None:
        """Cut the next connection over which a client sends ``word``, after the server's answer, which is dropped."""
        self._cut = word, True

    def misspell(self, word: bytes) -> None:
        """Send a word to the server with another last letter, so that it knows nothing of that name."""
        self._misspelt.append((word, word[:-1] + b"X"))

    def fail_commit(self, sqlstate: str) -> None:
        """Answer the next COMMIT with an error; the server gets ROLLBACK."""
        self._failures.append(sqlstate)

    def refuse(self, times: int) -> None:
        """Close the connections of the next clients at once."""
        self._refusals = times

    def fall_silent(self) -> None:
        """Read nothing any more and answer nothing, without closing a connection."""
        self._silent = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.close()
        self._thread.join()
        for end in (self._stopped, self._listener, *self._peers):
            end.close()

    def _run(self) -> None:
        while self._stopped not in (ready := select.select(self._readable(), [], [])[0]):
            for end in ready:
                if self._silent:
                    break
                if end is self._listener:
                    self._accept()
                elif end in self._peers:
                    self._carry(end, self._peers[end])

    def _readable(self) -> list[socket.socket]:
        return [self._stopped] if self._silent else [self._stopped, self._listener, *self._peers]

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            if self._refusals:
                raise ConnectionRefusedError
            server = socket.create_connection(self._server)
        except ConnectionRefusedError:
            self._refusals = max(0, self._refusals - 1)
            self.refused += 1
            client.close()
        else:
            self._clients.add(client)
            self._peers |= {client: server, server: client}

    def _carry(self, end: socket.socket, peer: socket.socket) -> None:
        data = b""
        with suppress(ConnectionError):
            data = end.recv(SIZE)
            if data and end in self._clients:
                self.sent.append(data)
                for word, other in self._misspelt:
                    data = data.replace(word, other)
                if self._failures and b"COMMIT" in data:
                    end.sendall(self._failed(self._failures.pop(), peer))
                    return
                data = self._break(data, peer)
            peer.sendall(data)
        if not data:
            for lost in (end, peer):
                del self._peers[lost]
                self._clients.discard(lost)
                lost.close()

    def _failed(self, sqlstate: str, server: socket.socket) -> bytes:
        """Roll back on the server, and return the messages by which it would say that COMMIT failed."""
        server.sendall(_message(b"Q", b"ROLLBACK\0"))
        answer = b""
        while not answer.endswith(_message(b"Z", b"I")):
            answer += server.recv(SIZE)
        fields = {b"S": "ERROR", b"V": "ERROR", b"C": sqlstate, b"M": "injected"}
        error = b"".join(name + value.encode() + b"\0" for name, value in fields.items())
        return _message(b"E", error + b"\0") + _message(b"Z", b"I")

    def _break(self, data: bytes, server: socket.socket) -> bytes:
        """Apply a pending cut; return the bytes to pass on, or none to cut the connection."""
        if not self._cut or self._cut[0] not in data:
            return data
        (_, answered), self._cut = self._cut, None
        if answered:
            server.sendall(data)
            server.recv(SIZE)
        return b""


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body
