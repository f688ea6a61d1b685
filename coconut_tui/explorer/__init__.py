"""What the app is made of, below the app: panes, pace, what an action may ask."""
