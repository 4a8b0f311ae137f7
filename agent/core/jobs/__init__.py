"""Jobs, folded from what happened: a vehicle's contribution, a validator's review, an initiator's round."""
