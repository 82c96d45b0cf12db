"""`python -m stockstream`."""

from stockstream.cli import main

if __name__ == "__main__":
    main()
