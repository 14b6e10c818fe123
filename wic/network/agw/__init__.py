"""eIMS-AGW: media gateway between WICs and the core (TS 23.334 §5.20).

Towards the WIC it speaks ICE, DTLS-SRTP and data channels; towards the core RTP/AVP and MSRP over TCP.
"""
