"""A town for each file and a committee for each test, as the validators' own tests have them."""

from tests.validator.conftest import house, town

__all__ = ["house", "town"]
