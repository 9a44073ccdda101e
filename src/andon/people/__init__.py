"""Who: the organisation, its people and teams, how to reach them, how they sign in."""
