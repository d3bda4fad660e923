"""What the voice is recorded and judged with: a neural voice, and an ear without a word list."""
