"""A trained run as pictures: where it looks, what it hides and paints, how its features lie."""
