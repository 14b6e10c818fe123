"""What the functional entities are called in traces and ladders."""

EPCSCF = "eP-CSCF"
SCSCF = "S-CSCF"
