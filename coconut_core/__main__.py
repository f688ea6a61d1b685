"""`python -m coconut_core` is the `coconut` command, for launchers such as `accelerate launch -m`."""

from coconut_core.cli import main

main()
