"""`python -m coconut_tui` is the `coconut-tui` command; `coconut-tui serve` starts explorers with it."""

from coconut_tui.cli import main

main()
