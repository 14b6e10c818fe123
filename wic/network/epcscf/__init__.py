"""eP-CSCF: where WICs enter the IMS (TS 24.371 §5.5); it controls the eIMS-AGW."""
