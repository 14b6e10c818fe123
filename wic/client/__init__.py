"""The asyncio face of a WIC: Client and Call."""
