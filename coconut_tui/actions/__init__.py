"""What each action does: a function (explorer, argument). They raise CoconutError for what cannot be done."""
