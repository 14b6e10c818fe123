"""Shells that carry SIP: WebSocket, UDP, TCP, TLS, and a network in memory."""
