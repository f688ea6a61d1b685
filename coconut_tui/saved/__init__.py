"""Sessions that outlive the explorer."""
