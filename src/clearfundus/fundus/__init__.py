"""What makes a photograph a fundus photograph: its field of view, its frame, and what blurs it."""
