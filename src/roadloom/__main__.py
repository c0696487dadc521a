"""``python -m roadloom``: the program."""

from roadloom.cli.main import main

if __name__ == "__main__":
    main()
