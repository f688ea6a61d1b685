"""One model that can be fed its own hidden states: the latent step and all it stands on."""
