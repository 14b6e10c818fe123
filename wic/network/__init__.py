"""The IMS network that a WIC needs: eP-CSCF, eIMS-AGW, S-CSCF, HSS."""

from wic.network.hss import Hss
from wic.network.network import ImsNetwork, NetworkOptions

__all__ = ["Hss", "ImsNetwork", "NetworkOptions"]
