"""The ways in for people and machines. No science here: the floors below do the work."""

SAFETY = (
    "For research. Not a medical device: an enhanced photograph can show what is not there and hide what is; "
    "never judge a patient by it."
)
"""Said wherever the package introduces itself."""
