"""`python -m sami_eval`: the command `sami-eval`, where the script is not on the path."""

from sami_eval.cli import main

if __name__ == "__main__":
    main()
