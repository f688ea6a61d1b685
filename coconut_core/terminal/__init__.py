"""What the command lines share: options, what errors become, and traces and training runs drawn."""
