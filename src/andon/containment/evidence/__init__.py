"""Evidence: what is preserved of a system before a lever is pulled, and on demand; kept, sealed and given out.

Regulation (EU) 2024/1689, Article 73(6), asks a provider not to alter the system in a way that may affect the later
evaluation of causes. Containment alters it, so what it would destroy is kept first, within ten seconds.
"""
