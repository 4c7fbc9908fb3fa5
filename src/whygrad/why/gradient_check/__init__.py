"""Is the gradient right: the gradient check, by finite differences; kinks are told from errors."""
