"""ICE, DTLS-SRTP, SCTP, RTP and codecs; the only package that knows aiortc and av."""
