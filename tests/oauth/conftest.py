"""Servers that answer what a test says."""

from tests.support.json_server import async_answer, json_client, other_server, secure_server, server

__all__ = ["async_answer", "json_client", "other_server", "secure_server", "server"]
