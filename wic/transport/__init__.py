"""Shells that carry SIP: WebSocket, UDP, TCP and TLS."""

from wic.transport.base import (
    Connection,
    DatagramPort,
    EndedBy,
    FlowEnd,
    FlowHandler,
    KeepAlive,
    Listener,
    ListenerCounters,
)
from wic.transport.datagram import DatagramSocket, open_udp
from wic.transport.driver import Driver, DriverCounters, DriverOptions, MessageObserver, SystemRandomSource, TimerSource
from wic.transport.stream import StreamOptions, StreamServerOptions, connect_tcp, serve_tcp
from wic.transport.tls import client_context, server_context
from wic.transport.websocket import WebSocketOptions, WebSocketServerOptions, connect_websocket, serve_websocket

__all__ = [
    "Connection",
    "DatagramPort",
    "DatagramSocket",
    "Driver",
    "DriverCounters",
    "DriverOptions",
    "EndedBy",
    "FlowEnd",
    "FlowHandler",
    "KeepAlive",
    "Listener",
    "ListenerCounters",
    "MessageObserver",
    "StreamOptions",
    "StreamServerOptions",
    "SystemRandomSource",
    "TimerSource",
    "WebSocketOptions",
    "WebSocketServerOptions",
    "client_context",
    "connect_tcp",
    "connect_websocket",
    "open_udp",
    "serve_tcp",
    "serve_websocket",
    "server_context",
]
