"""Names of the functional entities in traces and ladders."""

EPCSCF = "eP-CSCF"
SCSCF = "S-CSCF"
