"""The pages about people: the way in, who there is, teams, one's own account."""
