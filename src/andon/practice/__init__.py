"""The rules of the practice as pure functions and value types: no framework, no I/O, time is an argument."""
