"""SDP as a lossless value, offer and answer as functions, and the rules of TS 24.371."""

from wic.sdp.attributes import Fingerprint, Fmtp, MediaDirection, RtcpAddress, Rtpmap, Setup, ThreeGe2ae
from wic.sdp.candidate import Candidate
from wic.sdp.codecs import AUDIO_CODECS, G722, OPUS, PCMA, PCMU, TELEPHONE_EVENT, TELEPHONE_EVENT_48000, Codec
from wic.sdp.description import MediaDescription, MediaLine, Origin, SdpLimits, SessionDescription
from wic.sdp.errors import AnswerNotValid, NoCommonCodec, OfferNotAcceptable, SdpRefused
from wic.sdp.transport import TransportDescription

__all__ = [
    "AUDIO_CODECS",
    "G722",
    "OPUS",
    "PCMA",
    "PCMU",
    "TELEPHONE_EVENT",
    "TELEPHONE_EVENT_48000",
    "AnswerNotValid",
    "Candidate",
    "Codec",
    "Fingerprint",
    "Fmtp",
    "MediaDescription",
    "MediaDirection",
    "MediaLine",
    "NoCommonCodec",
    "OfferNotAcceptable",
    "Origin",
    "RtcpAddress",
    "Rtpmap",
    "SdpLimits",
    "SdpRefused",
    "SessionDescription",
    "Setup",
    "ThreeGe2ae",
    "TransportDescription",
]
