"""Is the gradient right: the gradient check.

`check` compares backpropagation with central differences (`finite_differences`, `differences`), tells kinks
from errors, and localises a gradient bug (`culprits`). Door: `check`. Imports from `why` its modules, and
names of `gradient`.
"""
