"""What happens when: opening, routing, escalating, acknowledging, containing, assessing, resolving; one file each."""
