"""One loaded model that answers many at once, over HTTP. `asks`, `addresses` and `client` need no torch."""
