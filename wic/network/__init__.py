"""The IMS network that a WIC needs: eP-CSCF, eIMS-AGW, S-CSCF, HSS."""
