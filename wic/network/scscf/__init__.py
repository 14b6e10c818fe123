"""S-CSCF with its registrar (TS 24.229 §5.4); it does the I-CSCF's work as well (§5.3)."""
