"""What SD.Next starts from."""

version = {"app": "sd.next", "updated": "2025-03-01", "hash": "standin"}
