"""What bench/detection.py measures, and with what."""
