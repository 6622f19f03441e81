"""Vessels: their segmentation, their tracking, and what both are worth.

Everything is computed at one scale, a field diameter of 540 pixels, and mapped back to the photograph: all lengths
inside this package are pixels at that scale unless a name says otherwise.
"""
