"""Pictures of the explorer's screens, from the app itself; python -m pictures --help says how to make them."""
