"""A TCP proxy on the loopback that breaks connections on demand: it cuts them, refuses them, or falls silent."""

import ctypes
import select
import socket
import struct
from contextlib import suppress
from threading import Thread
from typing import Self

SO_ATTACH_FILTER = 26  # Linux's; Python has no name for it
DROP_EVERYTHING = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # return 0: keep no byte of any packet


class TcpProxy:
    """Carries bytes between clients and ``host:port``, in a thread of its own; ``with`` starts and stops it."""

    def __init__(self, host: str, port: int) -> None:
        self.sent: list[bytes] = []
        """What clients have sent, request by request."""
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._refusals = 0
        self._cut: tuple[bytes, bool] | None = None
        self._stop, self._stopped = socket.socketpair()
        self._thread = Thread(target=self._run)

    def cut_before(self, word: bytes) -> None:
        """Cut the next connection over which a client sends ``word``; the server never gets it."""
        self._cut = word, False

    def cut_after(self, word: bytes) -> None:
        """Cut the next connection over which a client sends ``word`` once the server has answered, before it hears."""
        self._cut = word, True

    def refuse(self, times: int) -> None:
        """Hang up on the next clients."""
        self._refusals = times

    def fall_silent(self) -> None:
        """Let every packet of a client vanish from now on, as if the cable was cut; it is not even acknowledged."""
        mute = struct.pack("HL", 1, ctypes.addressof(DROP_EVERYTHING))
        for client in (self._listener, *self._clients):
            client.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, mute)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.close()
        self._thread.join()
        for end in (self._stopped, self._listener, *self._peers):
            end.close()

    def _run(self) -> None:
        while self._stopped not in (ready := select.select([self._stopped, self._listener, *self._peers], [], [])[0]):
            for end in ready:
                if end is self._listener:
                    self._accept()
                elif end in self._peers:
                    self._carry(end)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            if self._refusals:
                raise ConnectionRefusedError
            server = socket.create_connection(self._server)
        except ConnectionRefusedError:
            self._refusals = max(0, self._refusals - 1)
            client.close()
        else:
            self._clients.add(client)
            self._peers |= {client: server, server: client}

    def _carry(self, end: socket.socket) -> None:
        peer, data = self._peers[end], b""
        with suppress(ConnectionError):
            data = end.recv(2**16)
            if data and end in self._clients:
                self.sent.append(data)
                if self._cut and self._cut[0] in data:
                    if self._cut[1]:
                        peer.sendall(data)
                        peer.recv(2**16)
                    self._cut, data = None, b""
            peer.sendall(data)
        if not data:
            for lost in (end, peer):
                del self._peers[lost]
                self._clients.discard(lost)
                lost.close()
