"""One step of backpropagation told in slow motion, frame by frame, as data."""
