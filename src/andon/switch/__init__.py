"""The kill switch: what a guarded system may do, told to its processes at once, and which of them apply it."""
