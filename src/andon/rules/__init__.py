"""Rules about signals: what they count as, and what keeps them from opening an incident."""
