"""The command line: `andon`. Commands print for people, and JSON for machines with `--json`."""
