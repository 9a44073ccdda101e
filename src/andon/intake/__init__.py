"""What is heard: adapters for senders, the group commit, signals."""
