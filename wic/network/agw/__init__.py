"""eIMS-AGW: where the media of a WIC end (TS 23.334 §5.20).

Towards the WIC it speaks ICE, DTLS-SRTP and data channels; towards the core RTP/AVP and MSRP over TCP.
"""
