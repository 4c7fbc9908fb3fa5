"""`python -m whygrad` is the command `whygrad`."""

from whygrad.cli import main

if __name__ == "__main__":
    main()
