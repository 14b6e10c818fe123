"""ICE, DTLS-SRTP, SCTP, RTP and codecs; the only package that knows aiortc and av."""

from wic.media._aiortc import ConsentTimes
from wic.media.capture import Capture
from wic.media.certificate import Certificate
from wic.media.channel import ChannelState, DataChannel, DataChannels
from wic.media.codecs import available_codecs
from wic.media.mos import Mos, estimate_mos
from wic.media.pcm import PcmFrame
from wic.media.plain import PlainRtp
from wic.media.relay import Relay
from wic.media.rtp_transport import PacketHandler, RtpTransport
from wic.media.sinks import Count, PcmSink, Sink
from wic.media.sources import Echo, PcmSource, Silence, Source, Tone, WavFile
from wic.media.stream import AudioStream, AudioStreamOptions, StreamReport
from wic.media.transport import IceServer, MediaTransport, MediaTransportOptions, TransportState
from wic.media.udp import PortRange
from wic.media.wav import WavRecorder

__all__ = [
    "AudioStream",
    "AudioStreamOptions",
    "Capture",
    "Certificate",
    "ChannelState",
    "ConsentTimes",
    "Count",
    "DataChannel",
    "DataChannels",
    "Echo",
    "IceServer",
    "MediaTransport",
    "MediaTransportOptions",
    "Mos",
    "PacketHandler",
    "PcmFrame",
    "PcmSink",
    "PcmSource",
    "PlainRtp",
    "PortRange",
    "Relay",
    "RtpTransport",
    "Silence",
    "Sink",
    "Source",
    "StreamReport",
    "Tone",
    "TransportState",
    "WavFile",
    "WavRecorder",
    "available_codecs",
    "estimate_mos",
]
