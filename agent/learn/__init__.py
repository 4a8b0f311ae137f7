"""Networks, samples, the training loop, and what becomes of the weights: updates, scores, fusion."""
