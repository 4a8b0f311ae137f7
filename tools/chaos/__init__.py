"""A town under attack: the real daemons on a localnet, among hostile parties and faults, with the books kept apart."""
