"""The validator: the counterpart that checks contributions on test data and settles them with its committee."""
