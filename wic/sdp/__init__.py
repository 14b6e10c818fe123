"""SDP as a lossless value, offer and answer as functions, and the rules of TS 24.371."""
