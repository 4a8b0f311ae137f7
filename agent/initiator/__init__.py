"""The initiator: publishes a model, pays for what makes it better, fuses it into the next round."""
