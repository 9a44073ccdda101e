"""What channels need for the whole installation: accounts, servers and keys that an administrator sets up once."""
